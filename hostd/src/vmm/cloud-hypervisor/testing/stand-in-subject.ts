import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChSubject } from "./harness.ts";
import { stageStandIn } from "./stage-stand-in.ts";
import type { Settings } from "./stand-in/settings.ts";

/** The stand-in, whose guest is the agent as a process of this host: kernel and initramfs need only be there. */
export function standIn(settings: Partial<Omit<Settings, "agent">> & Pick<ChSubject, "restoreStrategy"> = {}) {
  const { restoreStrategy, ...others } = settings;
  return async (root: string): Promise<ChSubject> => {
    const file = async (name: string) => {
      const path = join(root, name);
      await writeFile(path, "");
      await chmod(path, 0o666);
      return path;
    };
    return {
      binary: await stageStandIn(root, { version: "v53.0", copyOnWrite: false, ...others }),
      landlock: true,
      ...(restoreStrategy === undefined ? {} : { restoreStrategy }),
      devices: { kvm: await file("kvm"), tun: await file("tun") },
      kernel: await file("kernel"),
      initramfs: await file("initramfs"),
      guest: "host-agent",
    };
  };
}
