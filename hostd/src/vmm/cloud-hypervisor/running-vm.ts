import { sleep } from "@daytonah/lib/sleep.ts";
import {
  isAlive,
  killAllOfUid,
  killProcess,
  type ProcessId,
  processesOfUid,
  waitForExit,
} from "../../host/process-table.ts";
import type { Vm, VmConfig, VmExit, VmHandle, VmHardware, VmmCallOptions } from "../vmm.ts";
import { VsockFront } from "../vsock-front.ts";
import type { ChApi } from "./api-client.ts";
import { ChApiError } from "./api-error.ts";
import type { ChState } from "./api-types.ts";
import { ConsoleFile } from "./console-file.ts";
import { type ChEvent, type EventFollower, followEvents } from "./events.ts";
import { consoleTail, logTail, removeLeftovers, trimFile } from "./folders.ts";
import { createHardware } from "./hardware.ts";
import type { ChPaths } from "./paths.ts";
import { type SnapshotTools, takeSnapshot } from "./take-snapshot.ts";
import { CLEANUP_MS, PAUSE_MS } from "./timeouts.ts";

export interface VmParts {
  readonly driver: string;
  readonly tools: SnapshotTools;
  readonly config: VmConfig;
  readonly paths: ChPaths;
  /** Its end is an event where it is our child, and must be looked for where it was adopted. */
  readonly process: ProcessId & { readonly exited?: Promise<string> };
  readonly api: ChApi;
  readonly version: string;
}

/** Until the guest's driver is up nothing answers and nothing closes; after that the answer comes at once. */
const VSOCK_PATIENCE_MS = [250, 250, 500, 1000, 2000, 2000, 2000, 2000];
const DRAIN_MS = 1000;
const POLL_MS = 250;
const MOST_REMOVED = 64;
const TRIM_EVERY_MS = 10_000;
const MOST_LOG_BYTES = 4 * 1024 * 1024;

/** One VM under Cloud Hypervisor. */
export class RunningVm implements Vm {
  readonly handle: VmHandle;
  readonly vsockPath: string;
  readonly exited: Promise<VmExit>;
  readonly hardware: VmHardware;
  readonly #parts: VmParts;
  readonly #front: VsockFront;
  readonly #exited = Promise.withResolvers<VmExit>();
  /** Ends the watching of this VM, when it is over or let go. */
  readonly #watch = new AbortController();
  readonly #removed = new Set<string>();
  readonly #console: ConsoleFile;
  #events: EventFollower | undefined;
  #shutDown = false;
  /** Why it is about to end, by the first who knows. */
  #exit: VmExit | undefined;
  #end: Promise<void> | undefined;
  #released = false;
  /** Pause, resume, snapshot and changes of the hardware follow one another. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Takes over a VM that runs or is paused. Where it ended meanwhile, `exited` says so. */
  static async attach(parts: VmParts, state: ChState): Promise<RunningVm> {
    const { paths, config } = parts;
    const device = { path: paths.vsockDevice, uid: config.uid, patienceMs: VSOCK_PATIENCE_MS };
    const vm = new RunningVm(parts, await VsockFront.listen(paths.vsock, device));
    if (state === "Paused") {
      vm.#front.hold();
    }
    try {
      await vm.#follow();
      return vm;
    } catch (error) {
      vm.release();
      throw error;
    }
  }

  private constructor(parts: VmParts, front: VsockFront) {
    const { driver, config, paths, process, api } = parts;
    this.#parts = parts;
    this.#front = front;
    this.#console = new ConsoleFile(paths.console);
    this.vsockPath = paths.vsock;
    this.handle = { driver, config, pid: process.pid, startTime: process.startTime };
    this.exited = this.#exited.promise;
    const wasRemoved = (id: string) => this.#removed.delete(id);
    this.hardware = createHardware({ api, config, paths, wasRemoved, inTurn: (work) => this.#inTurn(work) });
    const ended = process.exited ?? this.#polledExit();
    ended.then(
      (how) => this.#processEnded(how),
      () => {},
    );
    const trimming = setInterval(() => this.#trim(), TRIM_EVERY_MS).unref();
    this.#watch.signal.addEventListener("abort", () => clearInterval(trimming));
  }

  /** True where it is over, or about to be. */
  get ended(): boolean {
    return this.#exit !== undefined;
  }

  async pause(options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      this.#front.hold();
      try {
        await this.#pauseNow(options);
      } catch (error) {
        this.#front.release();
        throw error;
      }
    });
  }

  async resume(options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      await this.#resumeNow(options);
      this.#front.release();
    });
  }

  async snapshot(dir: string, options: VmmCallOptions): Promise<void> {
    await this.#inTurn(async () => {
      const { config, tools, api } = this.#parts;
      if ((await api.info(options)).state !== "Paused") {
        throw new Error(`vm ${config.id}: is running; only a paused VM has a snapshot taken`);
      }
      await this.#endConnections(options);
      await takeSnapshot(tools, this.#parts, dir, options);
    });
  }

  async stop(options: VmmCallOptions & { graceMs: number }): Promise<void> {
    this.#exit ??= { kind: "stopped" };
    const { process } = this.#parts;
    const grace = AbortSignal.any([options.signal, AbortSignal.timeout(options.graceMs)]);
    try {
      // Not by a call: it would wait for those that are under way.
      killProcess(process, "SIGTERM");
      await waitForExit(process, { signal: grace, intervalMs: 2 });
    } catch {
      // Hanging, or out of time: by force, then.
    }
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#exit ??= { kind: "stopped" };
    await this.#finish();
  }

  readConsole(): Promise<Uint8Array> {
    return this.#console.read();
  }

  async residentBytes(): Promise<number> {
    return processesOfUid(this.#parts.config.uid).reduce((sum, process) => sum + process.residentBytes, 0);
  }

  /** Lets go of the VM, which runs on. */
  release(): void {
    this.#released = true;
    this.#watch.abort();
    this.#front.close();
    this.#parts.api.close();
  }

  /** Never blindly: after a call that got no answer only the VM's state tells what became of it. */
  async #pauseNow(options: VmmCallOptions): Promise<void> {
    const { api } = this.#parts;
    if ((await api.info({ ...options, timeoutMs: PAUSE_MS })).state !== "Paused") {
      await api.put("vm.pause", { ...options, timeoutMs: PAUSE_MS });
    }
  }

  async #resumeNow(options: VmmCallOptions): Promise<void> {
    const { api } = this.#parts;
    if ((await api.info({ ...options, timeoutMs: PAUSE_MS })).state === "Paused") {
      await api.put("vm.resume", options);
    }
  }

  /**
   * A connection that is open in a snapshot is dead in every VM restored from it, and the ports of new ones are counted
   * from the start again: one would meet what is left of an old one. Only a guest that runs can close its side.
   */
  async #endConnections(options: VmmCallOptions): Promise<void> {
    if (this.#front.connections === 0) {
      return;
    }
    try {
      await this.#resumeNow(options);
      await this.#front.drain(DRAIN_MS);
    } finally {
      // Whatever happened, and whether the caller still waits: it was paused and stays so.
      await this.#pauseNow({ signal: AbortSignal.timeout(PAUSE_MS) });
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#watch;
    this.#events = await followEvents(this.#parts.paths.events, (event) => this.#takeEvent(event), { signal });
  }

  #takeEvent({ source, event, properties }: ChEvent): void {
    switch (`${source}/${event}`) {
      case "vm/device-removed":
        // No more than a VM has: a VMM that was taken over can tell of any number.
        if (this.#removed.size < MOST_REMOVED) {
          this.#removed.add(String(properties?.id));
        }
        return;
      case "vm/booting":
      case "vm/restoring":
        // What was before was no VM yet.
        this.#shutDown = false;
        return;
      case "vm/shutdown":
        this.#shutDown = true;
        return;
      case "guest/panic":
        void this.#guestFailed("the guest's kernel panicked");
        return;
      case "vm/rebooting":
        // It would start again inside the VMM, as if nothing had been.
        void this.#guestFailed("the guest reset itself");
        return;
    }
  }

  async #guestFailed(what: string): Promise<void> {
    if (this.#exit !== undefined || this.#released) {
      return;
    }
    this.#exit = { kind: "died", detail: what };
    this.#exit = { kind: "died", detail: `${what}\n${await consoleTail(this.#parts.paths)}` };
    await this.#finish();
  }

  async #processEnded(how: string): Promise<void> {
    if (this.#released) {
      return;
    }
    await this.#events?.catchUp();
    if (how === "exited with 0" || (how === GONE && this.#shutDown)) {
      this.#exit ??= { kind: "poweroff" };
    }
    this.#exit ??= { kind: "died", detail: `cloud-hypervisor ${how}; ${await logTail(this.#parts.paths)}` };
    await this.#finish();
  }

  async #polledExit(): Promise<string> {
    await waitForExit(this.#parts.process, { signal: this.#watch.signal, intervalMs: POLL_MS, ref: false });
    return GONE;
  }

  /** What guests can make grow without end. */
  #trim(): void {
    const { console, log } = this.#parts.paths;
    for (const path of [console, log]) {
      trimFile(path, MOST_LOG_BYTES).catch(() => {});
    }
  }

  /** Ends what is left of it, and tells; once. */
  #finish(): Promise<void> {
    this.#end ??= this.#finishOnce();
    return this.#end;
  }

  async #finishOnce(): Promise<void> {
    this.#watch.abort();
    this.#front.close();
    this.#parts.api.close();
    await killAllOfUid(this.#parts.config.uid, { signal: AbortSignal.timeout(CLEANUP_MS) });
    await removeLeftovers(this.#parts.paths);
    this.#exited.resolve(this.#exit ?? { kind: "stopped" });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work).catch(async (error: unknown) => {
      if (error instanceof ChApiError || !(await this.#isOver())) {
        throw error;
      }
      // Whatever broke, it broke since the VM ended.
      const exit = await this.exited;
      const detail = exit.kind === "died" ? exit.detail : exit.kind;
      throw new Error(`vm ${this.#parts.config.id}: ended: ${detail}`, { cause: error });
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** The connection may be gone before the process is. */
  async #isOver(): Promise<boolean> {
    if (this.#released) {
      return false;
    }
    const soon = { signal: AbortSignal.timeout(1000) };
    for (let round = 0; round < 25 && this.#end === undefined; round += 1) {
      if (!isAlive(this.#parts.process)) {
        return true;
      }
      await sleep(2, soon);
    }
    return this.#end !== undefined;
  }
}

/** How a process ended that is not our child. */
const GONE = "is gone";
