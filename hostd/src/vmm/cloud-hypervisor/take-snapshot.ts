import { createHash } from "node:crypto";
import { chmod, chown, lstat, mkdir, readFile, rm } from "node:fs/promises";
import { applyCopy } from "../../host/disk/apply.ts";
import type { CopyMethod } from "../../host/disk/plan.ts";
import type { CommandRunner } from "../../host/exec.ts";
import type { VmConfig } from "../vmm.ts";
import type { ChApi, ChCallOptions } from "./api-client.ts";
import { readSnapshotConfig } from "./clone-config.ts";
import { readCpuModel } from "./cpu-model.ts";
import { manifestOf, writeManifest } from "./manifest.ts";
import type { ChPaths } from "./paths.ts";
import { snapshotFilesOf } from "./snapshot-files.ts";
import { syncPath } from "./synced.ts";
import { memoryTimeoutMs } from "./timeouts.ts";

export interface SnapshotTools {
  readonly runner: CommandRunner;
  /** Whether files in the state folder and in snapshots' folders share blocks. */
  readonly copyMethod: CopyMethod;
}

const MIB = 1024 * 1024;
/** What is read into our memory. A state has some hundred KiB for each vCPU. */
const MOST_CONFIG_BYTES = MIB;
const MOST_STATE_BYTES = 64 * MIB;

export interface SnapshotSubject {
  readonly api: ChApi;
  readonly config: VmConfig;
  readonly paths: ChPaths;
  readonly driver: string;
  readonly version: string;
}

/**
 * Has a paused VM's memory and devices written, and makes a snapshot of ours of it in `dir`: the VMM writes into a
 * folder of its user's, which is taken from it, looked at, and copied, so that nobody holds the files open who could
 * change what others are restored from. Where blocks can be shared the copy costs nothing.
 */
export async function takeSnapshot(
  tools: SnapshotTools,
  vm: SnapshotSubject,
  dir: string,
  options: ChCallOptions,
): Promise<void> {
  const { api, config, paths } = vm;
  await rm(paths.snapshot, { recursive: true, force: true });
  try {
    await mkdir(paths.snapshot, { mode: 0o700 });
    await chown(paths.snapshot, config.uid, config.gid);
    const timeoutMs = memoryTimeoutMs(config.memoryMib);
    await api.send("vm.snapshot", { destination_url: `file://${paths.snapshot}` }, { ...options, timeoutMs });
    // From here on the VMM's user can neither enter the folder nor put anything into it.
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    await chown(paths.snapshot, owner.uid, owner.gid);
    const [from, to] = [snapshotFilesOf(paths.snapshot), snapshotFilesOf(dir)];
    const copy = async (source: string, target: string, mode: number, mostBytes: number) => {
      await requireFile(source, config.uid, mostBytes);
      await applyCopy(tools.runner, { source, target, owner, mode }, tools.copyMethod, options);
      // The VMM has it open, maybe, and could have gone on.
      await requireFile(target, owner.uid, mostBytes);
      await syncPath(target);
    };
    await copy(from.config, to.config, 0o400, MOST_CONFIG_BYTES);
    await copy(from.state, to.state, 0o400, MOST_STATE_BYTES);
    // VMs that are restored map it themselves. Their users reach it by a link in a folder of their own only.
    await chmod(dir, 0o700);
    await copy(from.memory, to.memory, 0o444, config.memoryMib * MIB);
    const written = readSnapshotConfig(await readFile(to.config, "utf8"));
    const manifest = manifestOf(vm.driver, vm.version, await readCpuModel(), written);
    const zone = written.memory.zones !== undefined;
    const sha256 = { config: await digestOf(to.config), state: await digestOf(to.state) };
    const memoryBytes = (await lstat(to.memory)).size;
    await writeManifest(dir, { ...manifest, content: { zone, memoryBytes, sha256 } });
  } catch (error) {
    for (const path of Object.values(snapshotFilesOf(dir))) {
      await rm(path, { force: true });
    }
    throw error;
  } finally {
    await rm(paths.snapshot, { recursive: true, force: true });
  }
}

async function requireFile(path: string, uid: number, mostBytes: number): Promise<void> {
  const file = await lstat(path);
  if (!file.isFile() || file.nlink !== 1 || file.uid !== uid || file.size > mostBytes) {
    throw new Error(`${path}: is not the file that a VMM writes`);
  }
}

export async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
