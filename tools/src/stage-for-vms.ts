/**
 * Copies of what VMs' own users open, where they may: the cache can lie in a home folder that is closed to them. The
 * platform does the same for itself when it starts; tests of its parts need it done.
 */
import { chmodSync, constants, copyFileSync, linkSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Setup } from "./setup/setup.ts";

export function stageForVms(setup: Setup): { readonly setup: Setup } & Disposable {
  const folder = mkdtempSync("/var/tmp/dnah-stage-");
  chmodSync(folder, 0o755);
  for (const name of readdirSync(setup.bundle)) linkOrCopy(join(setup.bundle, name), join(folder, name));
  const vhostDeviceVsock = join(folder, basename(setup.vhostDeviceVsock));
  linkOrCopy(setup.vhostDeviceVsock, vhostDeviceVsock);
  return {
    setup: { ...setup, bundle: folder, vhostDeviceVsock },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target, constants.COPYFILE_FICLONE); // another file system
  }
}
