/**
 * Makes a machine ready to run the platform from this checkout: Debian packages, agent, vsock device, guest images.
 * Every part is cached by its content, so that a second run, also from another checkout, takes seconds.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirOf } from "../../../images/src/cache.ts";
import { buildAgent, installVhostDeviceVsock, requireRust } from "./cargo-builds.ts";
import { run } from "./command.ts";
import { installPackages, missingPackages, platformPackages, requireSpace } from "./debian-packages.ts";
import type { Steps } from "./steps.ts";

export const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Put before a command that needs root: nothing where we are root, else sudo with what says where the cache is. */
export const asRoot: readonly string[] =
  process.getuid?.() === 0 ? [] : ["sudo", "--preserve-env=DNAH_CACHE_DIR,XDG_CACHE_HOME,HOME", "--"];

/** What `dnah up` and the tests need to know. */
export interface Setup {
  /** Folder with bundle.json: kernel, initramfs, module disk, templates. */
  readonly bundle: string;
  readonly vhostDeviceVsock: string;
  /** The agent's binary. */
  readonly invm: string;
}

export async function setUp(
  steps: Steps,
  env: NodeJS.ProcessEnv,
  otherPackages: readonly string[] = [],
): Promise<Setup> {
  const cache = cacheDirOf(env);
  mkdirSync(cache, { recursive: true });
  const missing = await missingPackages([...platformPackages, ...otherPackages]);
  if (missing.length > 0) {
    requireSpace("/usr", 2048);
    await steps.run(`Debian packages: ${missing.length} to install`, (note) => installPackages(missing, note));
  }
  await requireRust();
  requireSpace(cache, 6144);
  // Side by side: the template's packages are unpacked by one processor, and the rest of them is free meanwhile.
  const [vhostDeviceVsock, [invm, bundle]] = await Promise.all([
    steps.run("vsock device for emulated VMs (about 1 min the first time)", () => installVhostDeviceVsock(cache)),
    buildGuest(steps, cache),
  ]);
  const setup = { bundle, vhostDeviceVsock, invm };
  writeFileSync(join(cache, "setup.json"), `${JSON.stringify(setup, undefined, 2)}\n`);
  return setup;
}

async function buildGuest(steps: Steps, cache: string): Promise<[invm: string, bundle: string]> {
  const invm = await steps.run("agent for the guest", (note) => buildAgent(root, cache, note));
  const bundle = await steps.run("guest kernel and base template (about 1 min the first time)", async (note) => {
    const argv = [...asRoot, process.execPath, join(root, "images/src/build.ts"), "--agent", invm, "--json"];
    const onLine = (line: string) => line.startsWith("{") || note(line);
    return bundleFolder(await run(argv, { onLine, env: { DNAH_CACHE_DIR: cache } }));
  });
  return [invm, bundle];
}

function bundleFolder(printed: string): string {
  const line = printed.split("\n").findLast((candidate) => candidate.startsWith("{"));
  const folder: unknown = line === undefined ? undefined : (JSON.parse(line) as { dir?: unknown }).dir;
  if (typeof folder !== "string") throw new Error(`the image build did not say where its bundle is:\n${printed}`);
  return folder;
}
