import { sleep } from "@daytonah/lib/sleep.ts";
import { type Daemon, spawnDaemon } from "../../host/exec.ts";
import { isAlive, killProcess, waitForExit } from "../../host/process-table.ts";
import type { VmConfig, VmmCallOptions } from "../vmm.ts";
import { ChApi } from "./api-client.ts";
import type { ChPing } from "./api-types.ts";
import { chArgv } from "./argv.ts";
import { groupsFor, type HostDevices } from "./device-groups.ts";
import { logTail } from "./folders.ts";
import type { ChPaths } from "./paths.ts";
import { CLEANUP_MS, PING_MS } from "./timeouts.ts";
import { versionLack } from "./version.ts";

export interface StartedVmm {
  readonly process: Daemon;
  readonly api: ChApi;
  readonly version: string;
}

const POLL_MS = 10;

/** Starts a VMM that has no VM yet; resolves when it answers. */
export async function startVmm(
  program: { readonly binary: string; readonly devices: HostDevices },
  vm: VmConfig,
  paths: ChPaths,
  options: VmmCallOptions,
): Promise<StartedVmm> {
  const process = await spawnDaemon({
    argv: chArgv(program.binary, paths),
    owner: vm,
    groups: await groupsFor(vm, program.devices),
    cwd: paths.own,
    logFile: paths.log,
    ...(vm.cgroup === undefined ? {} : { cgroup: vm.cgroup }),
  });
  const api = new ChApi(paths.api, vm.uid);
  try {
    const { build_version, pid } = await awaitPing(api, process, paths, options);
    const lack = versionLack(build_version);
    if (lack !== undefined) {
      throw new Error(lack);
    }
    if (pid !== process.pid) {
      throw new Error(`the VMM says that it is process ${pid}; we started ${process.pid}`);
    }
    return { process, api, version: build_version };
  } catch (error) {
    api.close();
    // By its id: a process that is about to become the uid's is not found by it yet.
    killProcess(process, "SIGKILL");
    await waitForExit(process, { signal: AbortSignal.timeout(CLEANUP_MS), intervalMs: 1 });
    throw error;
  }
}

async function awaitPing(api: ChApi, process: Daemon, paths: ChPaths, options: VmmCallOptions): Promise<ChPing> {
  for (;;) {
    try {
      return await api.ping({ ...options, timeoutMs: PING_MS });
    } catch (cause) {
      options.signal.throwIfAborted();
      if (!isAlive(process)) {
        throw new Error(`cloud-hypervisor ${await process.exited}: ${await logTail(paths)}`, { cause });
      }
    }
    await sleep(POLL_MS, options);
  }
}
