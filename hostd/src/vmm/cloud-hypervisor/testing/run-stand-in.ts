import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VmConfig } from "../../vmm.ts";
import type { ChVmConfig } from "../api-types.ts";
import { chArgv } from "../argv.ts";
import { type ChPaths, chPathsOf } from "../paths.ts";
import type { RestoreStrategy } from "../version.ts";
import { chVmConfig } from "../vm-config.ts";
import { openConnections } from "./raw-http.ts";
import { stageStandIn } from "./stage-stand-in.ts";

/** A folder with the stand-in, and processes of it that run as we do: for what needs no driver. */
export interface StandIns extends AsyncDisposable {
  /** Starts one in a folder of its own, or again in that of an earlier one. */
  start(paths?: ChPaths): Promise<RunningStandIn>;
}

export interface RunningStandIn {
  readonly process: ChildProcess;
  readonly paths: ChPaths;
  /** Settles with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** A config that it boots. */
  config(strategy?: RestoreStrategy, change?: Partial<VmConfig>): ChVmConfig;
}

export async function stageStandIns(settings = { version: "v53.0", copyOnWrite: false }): Promise<StandIns> {
  const root = await mkdtemp("/var/tmp/dnah-chs-");
  const binary = await stageStandIn(root, settings);
  const kernel = join(root, "kernel");
  await writeFile(kernel, "");
  await chmod(kernel, 0o644);
  const all: RunningStandIn[] = [];
  let made = 0;
  const makePaths = async () => {
    const dir = join(root, String(++made));
    const paths = chPathsOf({ dir, uid: 1 }, join(dir, "state"));
    for (const folder of [paths.own, paths.state, paths.disks, paths.snapshot]) {
      await mkdir(folder, { recursive: true });
    }
    return paths;
  };
  return {
    start: async (given) => {
      const paths = given ?? (await makePaths());
      const [file = "", ...args] = chArgv(binary, paths);
      const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
      const ended = once(child, "exit").then(([code, signal]) => code ?? signal);
      // Not by the file: it may be that of one that was killed.
      while ((await openConnections(paths.api, 1).catch(() => [])).map((socket) => socket.destroy()).length === 0) {
        await sleep(5);
      }
      const base = { id: "t", dir: paths.own, uid: 1, gid: 1, vcpus: 1, memoryMib: 64, cmdline: [], disks: [] };
      const running: RunningStandIn = {
        process: child,
        ...{ paths, ended },
        config: (strategy = "copy", change = {}) =>
          chVmConfig({ ...base, kernel, initramfs: kernel, ...change }, paths, strategy, {
            architecture: "x86_64",
            landlock: true,
          }),
      };
      all.push(running);
      return running;
    },
    async [Symbol.asyncDispose]() {
      for (const one of all) {
        one.process.kill("SIGTERM");
        await one.ended;
      }
      await rm(root, { recursive: true });
    },
  };
}
