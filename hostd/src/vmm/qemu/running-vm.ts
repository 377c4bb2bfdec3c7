import { sleep } from "@daytonah/lib/sleep.ts";
import { applyCopy } from "../../host/disk/apply.ts";
import type { CommandRunner } from "../../host/exec.ts";
import { emptyLog } from "../../host/log-file.ts";
import { isAlive, killAllOfUid, type ProcessId, processesOfUid, waitForExit } from "../../host/process-table.ts";
import type { Vm, VmConfig, VmExit, VmHandle, VmmCallOptions } from "../vmm.ts";
import { VsockFront } from "../vsock-front.ts";
import { type GuestArchitecture, type QemuPaths, qemuPathsOf } from "./args.ts";
import { logTail, removeLeftovers } from "./leftovers.ts";
import {
  guestEndOf,
  hasVsock,
  isVsockStarted,
  plugVsock,
  readConsole,
  readMachineType,
  readRunState,
  unplugVsock,
} from "./machine.ts";
import { type QmpClient, QmpClosedError, type QmpEvent } from "./qmp.ts";
import { describeSnapshot, snapshotPathsOf, writeDescription, writeDeviceState } from "./snapshot.ts";
import { endVsockDevice, settleVsockDevice, startVsockDevice } from "./vsock-device.ts";

export interface QemuContext {
  readonly driver: string;
  readonly runner: CommandRunner;
  readonly architecture: GuestArchitecture;
  readonly vhostDeviceVsockBinary: string;
  readonly memoryDir: string;
}

/** A process whose end may be an event (our child) or must be looked for (an adopted one). */
export type WatchedProcess = ProcessId & { readonly exited?: Promise<string> };

const POLL_MS = 250;
const FORCE_TIMEOUT_MS = 10_000;

/** One VM under QEMU's emulator, and the process of its vsock device. */
export class RunningVm implements Vm {
  readonly handle: VmHandle;
  readonly vsockPath: string;
  readonly exited: Promise<VmExit>;
  readonly #context: QemuContext;
  readonly #config: VmConfig;
  readonly #paths: QemuPaths;
  readonly #process: WatchedProcess;
  readonly #qmp: QmpClient;
  readonly #exited = Promise.withResolvers<VmExit>();
  /** Ends the watching of this VM, when it is over or let go. */
  readonly #watch = new AbortController();
  #vsock: WatchedProcess | undefined;
  #front: VsockFront | undefined;
  /** Why it is about to end, by the first who knows. */
  #exit: VmExit | undefined;
  #end: Promise<void> | undefined;
  #released = false;
  /** Pause, resume, snapshot and the repair of the vsock device follow one another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    context: QemuContext,
    config: VmConfig,
    process: WatchedProcess,
    qmp: QmpClient,
    vsock: WatchedProcess | undefined,
  ) {
    this.#context = context;
    this.#config = config;
    this.#paths = qemuPathsOf(config, context.memoryDir);
    this.#process = process;
    this.#qmp = qmp;
    this.vsockPath = this.#paths.vsock;
    this.handle = { driver: context.driver, config, pid: process.pid, startTime: process.startTime };
    this.exited = this.#exited.promise;
    const ended = () => {
      if (!this.#released) {
        void this.#finish();
      }
    };
    void qmp.closed.then(ended);
    void process.exited?.then(ended);
    if (vsock !== undefined) {
      this.#watchVsock(vsock);
    }
  }

  /** The connection's events, from the first on. */
  takeEvent(event: QmpEvent): void {
    const end = guestEndOf(event);
    if (end !== undefined) {
      void this.#guestEnded(end === "poweroff" ? { kind: "poweroff" } : { kind: "died", detail: `guest ${end}` });
    }
  }

  /** Resolves when the guest's vsock driver is up and `vsockPath` takes connections. */
  async publishVsock(options: VmmCallOptions): Promise<void> {
    const device = this.#vsock;
    if (device === undefined) {
      throw new Error(`vm ${this.#config.id}: has no vsock device`);
    }
    while (!(await isVsockStarted(this.#qmp, options))) {
      await sleep(5, options);
    }
    await settleVsockDevice(device, options);
    // Its end may have come meanwhile.
    if (this.#vsock === device && !this.#watch.signal.aborted) {
      this.#front ??= await VsockFront.listen(this.#paths.vsock, {
        path: this.#paths.vsockDevice,
        uid: this.#config.uid,
      });
      this.#front.release();
    }
  }

  async pause(options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      this.#front?.hold();
      try {
        if (this.#vsock !== undefined) {
          await settleVsockDevice(this.#vsock, options);
        }
        await this.#qmp.execute("stop", {}, options);
      } catch (error) {
        this.#front?.release();
        throw error;
      }
    });
  }

  async resume(options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      await this.#unplugDeadVsock(options);
      await this.#plugVsock(options);
      await this.#qmp.execute("cont", {}, options);
      await this.publishVsock(options);
    });
  }

  async snapshot(dir: string, options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      const state = await readRunState(this.#qmp, options);
      if (state === "running") {
        throw new Error(`vm ${this.#config.id}: is running; only a paused VM has a snapshot taken`);
      }
      try {
        await this.#withdrawVsock();
        await this.#unplugDeadVsock(options);
        if (state === "postmigrate") {
          // QEMU writes no second snapshot of a VM that has not run since the first.
          await this.#qmp.execute("cont", {}, options);
        }
      } finally {
        // Whatever happened, and whether the caller still waits: it was paused and stays so.
        await this.#qmp.execute("stop", {}, { signal: AbortSignal.timeout(FORCE_TIMEOUT_MS) });
      }
      const paths = snapshotPathsOf(dir);
      const machine = await readMachineType(this.#qmp, options);
      await writeDeviceState(this.#qmp, this.#paths.migration, paths.deviceState, options);
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      const copy = { source: this.#paths.memory, target: paths.memory, owner };
      await applyCopy(this.#context.runner, copy, "sparse", options);
      await writeDescription(dir, describeSnapshot(this.#context.driver, machine, this.#config));
    });
  }

  async stop(options: VmmCallOptions & { graceMs: number }): Promise<void> {
    this.#exit ??= { kind: "stopped" };
    const grace = AbortSignal.any([options.signal, AbortSignal.timeout(options.graceMs)]);
    try {
      await this.#qmp.execute("quit", {}, { signal: grace });
      await waitForExit(this.#process, { signal: grace, intervalMs: 2 });
    } catch {
      // Ended already, hanging, or out of time: by force, then.
    }
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#exit ??= { kind: "stopped" };
    await this.#finish();
  }

  readConsole(options: VmmCallOptions): Promise<Uint8Array> {
    return readConsole(this.#qmp, options);
  }

  async residentBytes(): Promise<number> {
    return processesOfUid(this.#config.uid).reduce((sum, process) => sum + process.residentBytes, 0);
  }

  /** Lets go of the VM, which runs on. */
  release(): void {
    this.#released = true;
    this.#watch.abort();
    this.#closeFront();
    this.#qmp.close();
  }

  /** Brings the vsock of a VM that runs into order, whatever an earlier process of ours left half done. */
  async repairVsock(options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      if ((await readRunState(this.#qmp, options)) !== "running") {
        return;
      }
      await this.#unplugDeadVsock(options);
      await this.#plugVsock(options);
      await this.publishVsock(options);
    });
  }

  async #plugVsock(options: VmmCallOptions): Promise<void> {
    if (this.#vsock !== undefined) {
      return;
    }
    const { vhostDeviceVsockBinary, architecture } = this.#context;
    const device = await startVsockDevice(vhostDeviceVsockBinary, this.#config, this.#paths, options);
    try {
      await plugVsock(this.#qmp, architecture, this.#paths, options);
    } catch (error) {
      await endVsockDevice(device);
      throw error;
    }
    this.#watchVsock(device);
  }

  /** Takes a device from the machine that has no process any more. Only a guest that runs lets go of it. */
  async #unplugDeadVsock(options: VmmCallOptions): Promise<void> {
    if (this.#vsock === undefined && (await hasVsock(this.#qmp, options))) {
      await this.#qmp.execute("cont", {}, options);
      await unplugVsock(this.#qmp, options);
      // Of the peer it misses meanwhile; no one shall take that for the reason of a later end.
      await emptyLog(this.#paths.qemuLog);
    }
  }

  /** Ends the device's process on purpose; the machine may still have the device. */
  async #withdrawVsock(): Promise<void> {
    const device = this.#vsock;
    this.#vsock = undefined;
    this.#closeFront();
    if (device !== undefined) {
      await endVsockDevice(device);
    }
  }

  #closeFront(): void {
    this.#front?.close();
    this.#front = undefined;
  }

  #watchVsock(device: WatchedProcess): void {
    this.#vsock = device;
    const ended = device.exited ?? waitForExit(device, { signal: this.#watch.signal, intervalMs: POLL_MS, ref: false });
    ended.then(
      () => this.#vsockEnded(device),
      () => {},
    );
  }

  /** The guest's processes need not end with it: a new device takes its place, only connections are lost. */
  async #vsockEnded(device: WatchedProcess): Promise<void> {
    if (this.#vsock !== device || this.#watch.signal.aborted) {
      return;
    }
    try {
      await this.#withdrawVsock();
      await this.repairVsock({ signal: AbortSignal.any([this.#watch.signal, AbortSignal.timeout(30_000)]) });
    } catch (error) {
      this.#exit ??= { kind: "died", detail: `the vsock device ended and could not be replaced: ${error}` };
      await this.#finish();
    }
  }

  async #guestEnded(exit: VmExit): Promise<void> {
    this.#exit ??= exit;
    const options = { signal: AbortSignal.timeout(FORCE_TIMEOUT_MS) };
    try {
      if (exit.kind === "died" && this.#exit === exit) {
        this.#exit = { kind: "died", detail: `${exit.detail}\n${await readConsole(this.#qmp, options)}` };
      }
      await this.#qmp.execute("quit", {}, options);
    } catch {
      await this.#finish();
    }
  }

  /** Ends what is left of it, and tells; once. */
  #finish(): Promise<void> {
    this.#end ??= this.#finishOnce();
    return this.#end;
  }

  async #finishOnce(): Promise<void> {
    this.#watch.abort();
    this.#closeFront();
    // The connection may be gone before the process is. One that lives on without it can't be controlled any more.
    const lost = isAlive(this.#process) && !(await goneWithin(this.#process, 50));
    await killAllOfUid(this.#config.uid, { signal: AbortSignal.timeout(FORCE_TIMEOUT_MS) });
    this.#qmp.close();
    const exit = this.#exit ?? { kind: "died", detail: await this.#postMortem(lost) };
    await removeLeftovers(this.#paths);
    this.#exited.resolve(exit);
  }

  async #postMortem(lost: boolean): Promise<string> {
    const how = lost
      ? "its control connection broke"
      : await Promise.race([this.#process.exited, sleep(20, { signal: AbortSignal.timeout(1000) })]);
    return `qemu ${how ?? "gone"}; ${await logTail(this.#paths)}`;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work).catch(async (error: unknown) => {
      if (this.#end === undefined && !(error instanceof QmpClosedError)) {
        throw error;
      }
      // Whatever broke, it broke since the VM ended.
      await this.#finish();
      const exit = await this.exited;
      const detail = exit.kind === "died" ? exit.detail : exit.kind;
      throw new Error(`vm ${this.#config.id}: ended: ${detail}`, { cause: error });
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

async function goneWithin(process: ProcessId, ms: number): Promise<boolean> {
  try {
    await waitForExit(process, { signal: AbortSignal.timeout(ms), intervalMs: 1 });
    return true;
  } catch {
    return false;
  }
}
