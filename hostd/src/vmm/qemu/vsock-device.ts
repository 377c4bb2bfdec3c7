import { constants } from "node:fs";
import { access, rm } from "node:fs/promises";
import { sleep } from "@daytonah/lib/sleep.ts";
import { type Daemon, spawnDaemon } from "../../host/exec.ts";
import { isAlive, isIdle, killProcess, type ProcessId, waitForExit } from "../../host/process-table.ts";
import type { VmConfig } from "../vmm.ts";
import { GUEST_CID, type QemuPaths } from "./args.ts";
import { logTail } from "./leftovers.ts";

/** The device's first 15 bytes of name, as /proc has it. */
export const VSOCK_DEVICE_NAME = "vhost-device-vs";

/** It writes nothing but its log. */
const MAX_LOG_BYTES = 1024 * 1024;

export interface VsockDeviceOptions {
  readonly signal: AbortSignal;
}

/**
 * Starts the process that is a VM's vsock device (`vhost-device-vsock`): QEMU and the guest on one side, a unix socket
 * on the other. Resolves when QEMU can connect to it.
 */
export async function startVsockDevice(
  binary: string,
  config: Pick<VmConfig, "uid" | "gid" | "cgroup">,
  paths: QemuPaths,
  options: VsockDeviceOptions,
): Promise<Daemon> {
  // What an earlier one left would look like a socket that listens.
  for (const path of [paths.vhostUser, paths.vsockDevice]) {
    await rm(path, { force: true });
  }
  const daemon = await spawnDaemon({
    argv: [binary, `--guest-cid=${GUEST_CID}`, `--socket=${paths.vhostUser}`, `--uds-path=${paths.vsockDevice}`],
    owner: config,
    cwd: paths.own,
    logFile: paths.vsockLog,
    maxFileBytes: MAX_LOG_BYTES,
    ...(config.cgroup === undefined ? {} : { cgroup: config.cgroup }),
  });
  try {
    // The socket's name appears a moment before it listens, and a trial connection would be taken for QEMU's.
    while (!((await exists(paths.vhostUser)) && isIdle(daemon.pid))) {
      if (!isAlive(daemon)) {
        throw new Error(`${binary} ${await daemon.exited}: ${await logTail(paths)}`);
      }
      await sleep(2, options);
    }
    return daemon;
  } catch (error) {
    await endVsockDevice(daemon);
    throw error;
  }
}

/** Ends it; all its connections break at once. */
export async function endVsockDevice(device: ProcessId): Promise<void> {
  killProcess(device, "SIGKILL");
  await waitForExit(device, { signal: AbortSignal.timeout(10_000), intervalMs: 1 });
}

/**
 * Waits until the process has dealt with all that QEMU sent. A host's connection that comes while it takes over the
 * rings ends its event loop for ever (vhost-device-vsock 0.3), so nobody may connect before.
 */
export async function settleVsockDevice(device: ProcessId, options: VsockDeviceOptions): Promise<void> {
  // Twice in a row: the threads are looked at one after the other. Bounded: a busy guest may never let it sleep.
  let quiet = 0;
  for (let round = 0; round < 100 && quiet < 2; round++) {
    quiet = isIdle(device.pid) ? quiet + 1 : 0;
    await sleep(1, options);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}
