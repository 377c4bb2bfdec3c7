import { type Client, defaultClient } from "./client.ts";
import type { Connection } from "./connection.ts";
import { defined } from "./convert.ts";
import { DataPlane } from "./data-plane/data-plane.ts";
import { NotFoundError } from "./errors.ts";
import { type Environment, type EnvironmentChange, getEnvironment, setEnvironment } from "./exec/environment.ts";
import type {
  AttachOptions,
  Command,
  ExecOptions,
  ProcessRef,
  StartedProcess,
  StartOptions,
} from "./exec/exec-types.ts";
import type { Process } from "./exec/process.ts";
import { ProcessCalls } from "./exec/process-calls.ts";
import { type ProcessInfo, processInfoOf } from "./exec/process-info.ts";
import { type SignalName, signalNumberOf } from "./exec/signal-names.ts";
import { attachProcess, startDetached, startProcess } from "./exec/start-process.ts";
import { SandboxFiles } from "./files/sandbox-files.ts";
import type { ForkOptions, LifeOptions, Lineage, SnapshotOptions } from "./life/life-types.ts";
import { lifecycleToWire } from "./life/lifecycle.ts";
import {
  type Child,
  deleteSandbox,
  forkSandbox,
  pauseSandbox,
  readLineage,
  resumeSandbox,
  rollBackSandbox,
  setSandboxTimeout,
  takeSnapshot,
  undeleteSandbox,
} from "./life/sandbox-life.ts";
import type { Snapshot } from "./life/snapshots.ts";
import { type StageTime, stageTimesOf } from "./life/stage-time.ts";
import { type LogEntry, type LogsOptions, readLogs } from "./monitoring/logs.ts";
import { type Metrics, type MetricsOptions, readMetrics } from "./monitoring/metrics.ts";
import { pages } from "./pages.ts";
import { SandboxPorts } from "./ports/sandbox-ports.ts";
import { attachPty, openPty } from "./pty/open-pty.ts";
import type { Pty } from "./pty/pty.ts";
import type { AttachPtyOptions, PtyOptions } from "./pty/pty-types.ts";
import { randomId } from "./random-id.ts";
import {
  type ConnectOptions,
  type CreateSandboxOptions,
  type ListSandboxesOptions,
  type SandboxInfo,
  sandboxInfoOf,
  type UpdateSandboxOptions,
  wireStateOf,
} from "./sandbox-types.ts";

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

const createTimeoutMs = 120_000;

/**
 * A microVM of its own for code you do not trust.
 *
 * @example
 * await using sandbox = await Sandbox.create(); // deleted at the end of the block
 * const { stdout } = await sandbox.exec("python3 -c 'print(6*7)'", { check: true });
 */
export class Sandbox implements AsyncDisposable {
  /** 20 of [a-z0-9]. */
  readonly id: string;
  /** How long each stage of the create took; empty after `connect`. */
  readonly stages: readonly StageTime[];
  /** Its files. */
  readonly files: SandboxFiles;
  /** Its TCP ports. */
  readonly ports: SandboxPorts;
  readonly #connection: Connection;
  readonly #plane: DataPlane;

  private constructor(plane: DataPlane, stages: readonly StageTime[] = []) {
    this.id = plane.sandboxId;
    this.stages = stages;
    this.#connection = plane.connection;
    this.#plane = plane;
    this.files = new SandboxFiles(plane);
    this.ports = new SandboxPorts(plane);
  }

  /** Credential for this sandbox's processes, files, ports, metrics and logs alone; undefined after `connect` without it. */
  get accessToken(): string | undefined {
    return this.#plane.accessToken;
  }

  /** Origin of its host's edge as last heard of; undefined where there is none, or after `connect` without it. */
  get directUrl(): string | undefined {
    return this.#plane.directUrl;
  }

  /**
   * Makes a sandbox; resolves when programs can run in it. With an idempotencyKey it repeats itself where the connection breaks;
   * without one the platform deletes what it made for a caller that went away.
   *
   * Throws an InvalidArgumentError or NotFoundError for wrong options, a CapacityError where no host has room, a LimitError
   * over your quota, a PlatformError (BOOT_FAILED) where the VM did not come up. Needs scope `sandboxes:write`.
   */
  static async create(options: CreateSandboxOptions = {}): Promise<Sandbox> {
    const { connection } = options.client ?? defaultClient();
    const {
      template = "",
      snapshotId = "",
      vcpus = 0,
      memoryMib = 0,
      diskMib = 0,
      idempotencyKey = "",
      signal,
    } = options;
    const request = {
      template,
      resources: { vcpus, memoryMib, diskMib },
      env: { ...options.env },
      metadata: { ...options.metadata },
      ...{ idempotencyKey, snapshotId },
      ...defined({ lifecycle: lifecycleToWire(options.lifecycle) }),
    };
    const { timeoutMs = createTimeoutMs } = options;
    const answer = await connection.unary((call) => connection.sandboxes.createSandbox(request, call), {
      signal,
      timeoutMs,
      repeatable: idempotencyKey !== "",
    });
    const child = { info: sandboxInfoOf(answer.sandbox), accessToken: answer.accessToken || undefined };
    return Sandbox.#of(connection, child, stageTimesOf(answer.stages));
  }

  /**
   * A sandbox that is there already. With an API key the platform is asked for it first: a NotFoundError where there is none.
   */
  static async connect(id: string, options: ConnectOptions = {}): Promise<Sandbox> {
    const { connection } = options.client ?? defaultClient();
    const { accessToken, directUrl, signal } = options;
    const sandbox = new Sandbox(new DataPlane(connection, id, accessToken, directUrl));
    if (accessToken === undefined) await sandbox.info({ signal });
    return sandbox;
  }

  /** Your organization's sandboxes, newest first. Needs scope `sandboxes:read`. */
  static list(options: ListSandboxesOptions = {}): AsyncIterable<SandboxInfo> {
    const { connection } = options.client ?? defaultClient();
    const filter = { states: (options.states ?? []).map(wireStateOf), metadata: { ...options.metadata } };
    return pages(options, async (page) => {
      const answer = await connection.unary(
        (call) => connection.sandboxes.listSandboxes({ ...page, ...filter }, call),
        {
          signal: options.signal,
          repeatable: true,
        },
      );
      return { items: answer.sandboxes.map(sandboxInfoOf), nextPageToken: answer.nextPageToken };
    });
  }

  /** How the sandbox is now. Needs an API key. */
  async info(options: CallOptions = {}): Promise<SandboxInfo> {
    const { sandboxes } = this.#connection;
    const answer = await this.#connection.unary((call) => sandboxes.getSandbox({ sandboxId: this.id }, call), {
      signal: options.signal,
      repeatable: true,
    });
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /** Changes its labels. Needs scope `sandboxes:write`. */
  async update(options: UpdateSandboxOptions): Promise<SandboxInfo> {
    const { setMetadata = {}, removeMetadata = [], signal } = options;
    const request = {
      sandboxId: this.id,
      setMetadata: { ...setMetadata },
      removeMetadata: [...removeMetadata],
      idempotencyKey: randomId(),
    };
    const { sandboxes } = this.#connection;
    const answer = await this.#connection.unary((call) => sandboxes.updateSandbox(request, call), {
      signal,
      repeatable: true,
    });
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /**
   * Ends the sandbox's access token, and with it every port and file address made so far and every call that came with it;
   * answers with the new one. This object's own streams go on with the new one. Needs scope `sandboxes:write`.
   */
  async rotateAccessToken(options: CallOptions = {}): Promise<string> {
    const request = { sandboxId: this.id, idempotencyKey: randomId() };
    const { sandboxes } = this.#connection;
    return this.#plane.changeToken(async () => {
      const answer = await this.#connection.unary((call) => sandboxes.rotateAccessToken(request, call), {
        signal: options.signal,
        repeatable: true,
      });
      return answer.accessToken;
    });
  }

  /**
   * Starts a program: a string is a line for the shell, an array is program and arguments. Await the answer for how it ended,
   * or iterate it for its output as it comes; see {@link Process}. A broken connection is mended behind your back.
   *
   * Awaiting throws an InvalidArgumentError for a program, user or directory that is not there, a SandboxDiedError where the
   * VM ended meanwhile. An exit code other than 0 is no error unless `check` is set.
   */
  exec(command: Command, options: ExecOptions = {}): Process {
    return startProcess(this.#plane, command, options);
  }

  /**
   * Starts a program that runs on its own, a server say; resolves when it runs. `attach` reads its output, from the beginning
   * where it is wanted. Throws as awaiting `exec` does.
   *
   * @example
   * const server = await sandbox.start("npm run dev", { tag: "web" });
   * for await (const { text } of sandbox.attach(server.id)) if (text.includes("ready")) break;
   */
  start(command: Command, options: StartOptions = {}): Promise<StartedProcess> {
    return startDetached(this.#plane, command, options);
  }

  /**
   * Reads the output of a process that was started before, from `fromOffset` on; see {@link Process}. It is named by its id,
   * `{ pid }`, or `{ tag }`. Awaiting throws a NotFoundError (PROCESS_NOT_FOUND) where there is none.
   */
  attach(process: ProcessRef, options: AttachOptions = {}): Process {
    return attachProcess(this.#plane, process, options);
  }

  /** Opens a terminal; resolves when its program runs. See {@link Pty}. Throws as awaiting `exec` does. */
  pty(options: PtyOptions = {}): Promise<Pty> {
    return openPty(this.#plane, options);
  }

  /**
   * Attaches to a terminal that was opened before, from `fromOffset` on. Its program is named by its id, `{ pid }`, or
   * `{ tag }`. Throws a NotFoundError (PROCESS_NOT_FOUND) where there is none.
   */
  attachPty(process: ProcessRef, options: AttachPtyOptions = {}): Promise<Pty> {
    return attachPty(this.#plane, process, options);
  }

  /** The processes that were started by exec, start or pty, by start time. */
  async processes(
    options: CallOptions & {
      /** Also those that ended and can still be attached to. */
      readonly includeExited?: boolean | undefined;
    } = {},
  ): Promise<readonly ProcessInfo[]> {
    const { includeExited = false, signal } = options;
    const answer = await this.#plane.unary((way, call) => way.processes.listProcesses({ includeExited }, call), {
      signal,
      repeatable: true,
    });
    return answer.processes.map(processInfoOf);
  }

  /**
   * Sends a signal to a process and its children, or with `onlyProcess` to it alone. It is named by its id, `{ pid }`, or
   * `{ tag }`. Throws a NotFoundError (PROCESS_NOT_FOUND) where there is none that runs.
   */
  async signal(
    process: ProcessRef,
    name: SignalName | number = "SIGTERM",
    options: CallOptions & { readonly onlyProcess?: boolean | undefined } = {},
  ): Promise<void> {
    const calls = new ProcessCalls(this.#plane, process);
    await calls.signal(signalNumberOf(name), options.onlyProcess, options.signal);
  }

  /** The environment that processes get before their own additions. */
  environment(options: CallOptions = {}): Promise<Environment> {
    return getEnvironment(this.#plane, options.signal);
  }

  /** Changes the environment of processes started later; those that run keep theirs. Answers with how it is then. */
  setEnvironment(change: EnvironmentChange, options: CallOptions = {}): Promise<Environment> {
    return setEnvironment(this.#plane, change, options.signal);
  }

  /** CPU, memory, disk and network now, and how they were. */
  metrics(options: MetricsOptions = {}): Promise<Metrics> {
    return readMetrics(this.#plane, options);
  }

  /**
   * Lines of the console, the agent and the processes; with `follow` also those to come.
   *
   * @example
   * for await (const { time, source, text } of sandbox.logs({ follow: true, tail: 20 })) console.log(time, source, text);
   */
  logs(options: LogsOptions = {}): AsyncGenerator<LogEntry, void, undefined> {
    return readLogs(this.#plane, options);
  }

  /**
   * Writes its memory and disk down and gives its CPU and memory back; resolves when it is paused. Its programs stand still and go
   * on at `resume`, and so do the streams that you have open. Paused already is no error. Needs scope `sandboxes:write`.
   */
  async pause(options: LifeOptions = {}): Promise<SandboxInfo> {
    const answer = await pauseSandbox(this.#connection, this.id, options);
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /**
   * Runs a paused sandbox on, or starts a failed one again from its disk; resolves when programs can run. Running already is
   * no error. `lifecycleTimeoutMs` sets its lifecycle's time-out anew. Throws a CapacityError where no host has room. Needs scope
   * `sandboxes:write`.
   */
  async resume(options: LifeOptions & { readonly lifecycleTimeoutMs?: number | undefined } = {}): Promise<SandboxInfo> {
    const answer = await resumeSandbox(this.#connection, this.id, options.lifecycleTimeoutMs, options);
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /**
   * Keeps this instant of its memory and disk, of a running or paused sandbox; its programs stand still for a moment. See
   * `Sandbox.create({ snapshotId })` and `rollBack`. Needs scope `sandboxes:write`.
   */
  snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    return takeSnapshot(this.#connection, this.id, options);
  }

  /**
   * Makes a child: another machine that goes on from this instant, with its own id, name and randomness, while this one stays as it
   * was. Programs that keep random state of their own should read docs/pause-and-fork.md. Needs scope `sandboxes:write`.
   *
   * @example
   * await using child = await sandbox.fork();
   */
  async fork(options: ForkOptions = {}): Promise<Sandbox> {
    const [outcome] = await this.forkMany(1, options);
    if (outcome?.status !== "fulfilled") throw outcome?.reason;
    return outcome.value;
  }

  /**
   * Makes `count` children of one instant, 1 to 100; an outcome for each, a Sandbox or a DaytonahError. Throws where none could be
   * tried.
   */
  async forkMany(count: number, options: ForkOptions = {}): Promise<readonly PromiseSettledResult<Sandbox>[]> {
    if (count < 1) throw new RangeError(`The number of children is ${count}; it is 1 to 100.`);
    const outcomes = await forkSandbox(this.#connection, this.id, count, options);
    return outcomes.map((outcome) =>
      outcome.status === "rejected"
        ? outcome
        : { status: "fulfilled", value: Sandbox.#of(this.#connection, outcome.value) },
    );
  }

  /**
   * Puts it back to one of its own snapshots, under the same id; what it did since is gone, its streams end. Resolves when
   * programs can run. Throws a NotFoundError (SNAPSHOT_NOT_FOUND) for another's. Needs scope `sandboxes:write`.
   */
  async rollBack(snapshotId: string, options: LifeOptions = {}): Promise<SandboxInfo> {
    const answer = await rollBackSandbox(this.#connection, this.id, snapshotId, options);
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /**
   * Sets when it ends, counted from now; undefined: it has no end any more. With `extendOnly` only ever later. What happens then
   * is `lifecycle.onTimeout` of its create. Needs scope `sandboxes:write`.
   */
  async setTimeout(
    timeoutMs: number | undefined,
    options: CallOptions & { readonly extendOnly?: boolean | undefined } = {},
  ): Promise<SandboxInfo> {
    const answer = await setSandboxTimeout(this.#connection, this.id, timeoutMs, options);
    return this.#learn(sandboxInfoOf(answer.sandbox));
  }

  /** Where it comes from, and what was made of it. Needs scope `sandboxes:read`. */
  lineage(options: CallOptions = {}): Promise<Lineage> {
    return readLineage(this.#connection, this.id, options.signal);
  }

  /**
   * Takes a delete back, while the tombstone lasts (`purgeTime`); the sandbox is paused then. Throws a NotFoundError where
   * nothing of it is left. Needs scope `sandboxes:write`.
   */
  static async undelete(
    id: string,
    options: LifeOptions & { readonly client?: Client | undefined } = {},
  ): Promise<Sandbox> {
    const { connection } = options.client ?? defaultClient();
    const answer = await undeleteSandbox(connection, id, options);
    return Sandbox.#of(connection, { info: sandboxInfoOf(answer.sandbox), accessToken: undefined });
  }

  /**
   * Deletes the sandbox; resolves when its VM is gone. Where the platform keeps tombstones, `Sandbox.undelete` takes it back
   * for a time; with `purge` its disk is gone at once. Throws a NotFoundError where it is gone already.
   */
  async kill(options: CallOptions & { readonly purge?: boolean | undefined } = {}): Promise<void> {
    await deleteSandbox(this.#connection, this.id, options.purge ?? false, options.signal);
  }

  /**
   * Deletes a sandbox for good, also one that is deleted already: its tombstone ends and its disk is gone. Throws a NotFoundError
   * where nothing of it is left. Needs scope `sandboxes:write`.
   */
  static async purge(id: string, options: CallOptions & { readonly client?: Client | undefined } = {}): Promise<void> {
    const { connection } = options.client ?? defaultClient();
    await deleteSandbox(connection, id, true, options.signal);
  }

  /** As `kill`, but content with a sandbox that is gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill();
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  static #of(connection: Connection, { info, accessToken }: Child, stages: readonly StageTime[] = []): Sandbox {
    return new Sandbox(new DataPlane(connection, info.id, accessToken, info.directUrl), stages);
  }

  /** Its host can be another one than before. */
  #learn(info: SandboxInfo): SandboxInfo {
    this.#plane.directUrl = info.directUrl;
    return info;
  }
}
