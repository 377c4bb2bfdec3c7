import { durationMs } from "@bufbuild/protobuf/wkt";
import { defaultClient } from "./client.ts";
import type { Connection } from "./connection.ts";
import { DataPlane } from "./data-plane.ts";
import { NotFoundError } from "./errors.ts";
import type { AttachOptions, ExecOptions } from "./exec/exec-types.ts";
import type { Process } from "./exec/process.ts";
import { type ProcessInfo, processInfoOf } from "./exec/process-info.ts";
import { attachProcess, type Command, startProcess } from "./exec/start-process.ts";
import { SandboxFiles } from "./files/sandbox-files.ts";
import { pages } from "./pages.ts";
import { randomId } from "./random-id.ts";
import {
  type ConnectOptions,
  type CreateSandboxOptions,
  type ListSandboxesOptions,
  type SandboxInfo,
  type StageTime,
  sandboxInfoOf,
  wireStateOf,
} from "./sandbox-types.ts";

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
  /** Credential for this sandbox's processes and files alone; undefined after `connect` without it. */
  readonly accessToken: string | undefined;
  /** How long each stage of the create took; empty after `connect`. */
  readonly stages: readonly StageTime[];
  readonly files: SandboxFiles;
  readonly #connection: Connection;
  readonly #plane: DataPlane;

  private constructor(
    connection: Connection,
    id: string,
    accessToken: string | undefined,
    stages: readonly StageTime[] = [],
  ) {
    this.id = id;
    this.accessToken = accessToken;
    this.stages = stages;
    this.#connection = connection;
    this.#plane = new DataPlane(connection, id, accessToken);
    this.files = new SandboxFiles(this.#plane);
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
    const { template = "", vcpus = 0, memoryMib = 0, diskMib = 0, idempotencyKey = "", signal } = options;
    const request = {
      template,
      resources: { vcpus, memoryMib, diskMib },
      env: { ...options.env },
      metadata: { ...options.metadata },
      idempotencyKey,
    };
    const { timeoutMs = createTimeoutMs } = options;
    const answer = await connection.unary((call) => connection.sandboxes.createSandbox(request, call), {
      signal,
      timeoutMs,
      repeatable: idempotencyKey !== "",
    });
    const stages = answer.stages.map(({ stage, duration }) => ({ stage, ms: duration ? durationMs(duration) : 0 }));
    return new Sandbox(connection, sandboxInfoOf(answer.sandbox).id, answer.accessToken || undefined, stages);
  }

  /**
   * A sandbox that is there already. With an API key the platform is asked for it first: a NotFoundError where there is none.
   */
  static async connect(id: string, options: ConnectOptions = {}): Promise<Sandbox> {
    const { connection } = options.client ?? defaultClient();
    const sandbox = new Sandbox(connection, id, options.accessToken);
    if (options.accessToken === undefined) await sandbox.info({ signal: options.signal });
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
  async info(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<SandboxInfo> {
    const { sandboxes } = this.#connection;
    const answer = await this.#connection.unary((call) => sandboxes.getSandbox({ sandboxId: this.id }, call), {
      signal: options.signal,
      repeatable: true,
    });
    return sandboxInfoOf(answer.sandbox);
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

  /** Reads the output of a process that was started before, from `fromOffset` on; see {@link Process}. */
  attach(processId: string, options: AttachOptions = {}): Process {
    return attachProcess(this.#plane, processId, options);
  }

  /** The processes that were started by exec, by start time. */
  async processes(
    options: { readonly includeExited?: boolean | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<readonly ProcessInfo[]> {
    const { includeExited = false, signal } = options;
    const answer = await this.#plane.unary(
      (call) => this.#connection.processes.listProcesses({ includeExited }, call),
      { signal, repeatable: true },
    );
    return answer.processes.map(processInfoOf);
  }

  /** Deletes the sandbox; resolves when its VM and disk are gone. Throws a NotFoundError where it is gone already. */
  async kill(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const request = { sandboxId: this.id, idempotencyKey: randomId() };
    await this.#connection.unary((call) => this.#connection.sandboxes.deleteSandbox(request, call), {
      signal: options.signal,
      repeatable: true,
    });
  }

  /** As `kill`, but content with a sandbox that is gone already. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill();
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}
