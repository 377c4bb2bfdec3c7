import { OutputStream, type ProcessExited, type ProcessStarted } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { CommandFailedError } from "./command-failed-error.ts";
import type { ExecResult, OutputEvent, PtySize } from "./exec-types.ts";
import { OutputCollector } from "./output-collector.ts";
import type { ProcessCalls } from "./process-calls.ts";
import { processExitOf } from "./process-exit.ts";
import type { ProcessInput } from "./process-input.ts";
import { type OutputSource, type ProcessEvent, resumeOutput } from "./resume-output.ts";
import { type SignalName, signalNumberOf } from "./signal-names.ts";

/** @internal */
export interface ProcessParts {
  readonly plane: DataPlane;
  readonly calls: ProcessCalls;
  readonly start: OutputSource["start"];
  /** Undefined where the process is yet to be started. */
  readonly fromOffset: number | undefined;
  readonly createInput: (started: Promise<ProcessStarted>) => ProcessInput;
  readonly maxOutputBytes: number;
  readonly check: boolean;
  readonly signal: AbortSignal;
  /** Called once it is known how the process ended, or that this can't be known. */
  readonly onEnded: () => void;
}

/**
 * A program that runs, or ran, in a sandbox. Await it for how it ended, or iterate it for what it writes, as it comes.
 * Iterating first and awaiting then works too. Awaiting it *inside* its own `for await` would wait for ever.
 *
 * Leaving the loop early stops reading and lets the program run on; reading again goes on where it was left.
 *
 * @example
 * const { exitCode, stdout } = await sandbox.exec(["python3", "-c", "print(6*7)"]);
 *
 * @example
 * const build = sandbox.exec("make -j4");
 * for await (const { stream, text } of build) process[stream === "stderr" ? "stderr" : "stdout"].write(text);
 * const { exitCode } = await build;
 */
export class Process implements PromiseLike<ExecResult>, AsyncIterable<OutputEvent> {
  /** Standard input; needs `stdin: true`. */
  readonly stdin: ProcessInput;

  readonly #parts: ProcessParts;
  readonly #started = Promise.withResolvers<ProcessStarted>();
  readonly #collector: OutputCollector;
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder(), pty: new TextDecoder() };
  #stop = new AbortController();
  #events: AsyncGenerator<ProcessEvent>;
  #ahead: Promise<IteratorResult<ProcessEvent>> | undefined;
  #offset: number | undefined;
  #lostBytes = 0;
  #exited: ProcessExited | undefined;
  #reading: Promise<void> | undefined;
  #result: Promise<ExecResult> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** @internal */
  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.#offset = parts.fromOffset;
    this.#collector = new OutputCollector(parts.maxOutputBytes);
    this.#started.promise.catch(() => undefined); // told to those who ask
    this.stdin = parts.createInput(this.#started.promise);
    this.#events = this.#open();
    // The call goes out now, not when somebody first looks.
    this.#ahead = this.#events.next();
    this.#ahead.catch((error: unknown) => this.#started.reject(error));
  }

  /**
   * Name of the process, for `sandbox.attach(id)`. Not the pid. Of a process that was attached to by pid or tag it is known
   * from when `pid` is; asking earlier throws.
   */
  get id(): string {
    return this.#parts.calls.id;
  }

  /** Its pid in the sandbox, once it runs. Throws where it could not be started. */
  get pid(): Promise<number> {
    return this.#started.promise.then((started) => started.pid);
  }

  /** Sends a signal to it and its children. Throws a NotFoundError where it has ended. */
  async kill(signal: SignalName | number = "SIGTERM"): Promise<void> {
    const number = signalNumberOf(signal);
    await this.#started.promise;
    await this.#parts.calls.signal(number);
  }

  /** Tells a program on a terminal its window's new size. Throws a ConflictError where it has no terminal. */
  async resize(size: PtySize): Promise<void> {
    await this.#started.promise;
    await this.#parts.calls.resize(size);
  }

  /** As awaiting it, and throws a {@link CommandFailedError} unless the exit code is 0. */
  async orThrow(): Promise<ExecResult> {
    const result = await this.#drained();
    if (result.exitCode !== 0) throw new CommandFailedError(result);
    return result;
  }

  /** Awaits how it ended: its output is read to the end. With `check`, as `orThrow`. */
  // biome-ignore lint/suspicious/noThenProperty: awaiting a process is the point.
  then<A = ExecResult, B = never>(
    onResult?: ((result: ExecResult) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return (this.#parts.check ? this.orThrow() : this.#drained()).then(onResult, onError);
  }

  /** What it writes, in order, until it ends. One reader at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutputEvent, void, undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#reading) throw new Error("This process's output is being read already.");
    this.#reading = promise;
    try {
      while (!this.#exited) yield* await this.#next();
    } finally {
      if (!this.#exited && !this.#failure) await this.#detach();
      this.#reading = undefined;
      resolve();
    }
  }

  #drained(): Promise<ExecResult> {
    this.#result ??= this.#drain();
    return this.#result;
  }

  async #drain(): Promise<ExecResult> {
    while (this.#reading) await this.#reading;
    for await (const _ of this);
    const exited = this.#exited as ProcessExited;
    const stdoutBytes = this.#collector.bytes("stdout");
    const stderrBytes = this.#collector.bytes("stderr");
    const decoder = new TextDecoder();
    return {
      ...processExitOf(exited),
      stdout: decoder.decode(stdoutBytes),
      stderr: decoder.decode(stderrBytes),
      stdoutBytes,
      stderrBytes,
      truncated: this.#collector.truncated || this.#lostBytes > 0,
      lostBytes: this.#lostBytes,
    };
  }

  /** The next piece of output; at the end, what the decoders still held. */
  async #next(): Promise<OutputEvent[]> {
    const { value, done } = await this.#pull();
    if (done) throw new Error("The stream of events ended without an exit.");
    if (value.t === "exited") {
      this.#exited = value.exited;
      await this.#events.return(undefined); // ends the call
      this.#parts.onEnded();
      return this.#flush();
    }
    const { output, offset, lostBytes } = value;
    this.#offset = offset + output.data.length;
    this.#lostBytes += lostBytes;
    const stream = streamNames[output.stream] ?? "stdout";
    this.#collector.add(stream, output.data);
    return [{ stream, text: this.#decoders[stream].decode(output.data, { stream: true }), data: output.data, offset }];
  }

  /** A failure is final: whoever reads again gets it again. */
  async #pull(): Promise<IteratorResult<ProcessEvent>> {
    if (this.#failure) throw this.#failure.error;
    const ahead = this.#ahead ?? this.#events.next();
    this.#ahead = undefined;
    try {
      return await ahead;
    } catch (error) {
      this.#failure = { error };
      this.#started.reject(error);
      this.#parts.onEnded();
      throw error;
    }
  }

  #flush(): OutputEvent[] {
    return (["stdout", "stderr", "pty"] as const).flatMap((stream) => {
      const text = this.#decoders[stream].decode();
      return text ? [{ stream, text, data: new Uint8Array(0), offset: this.#offset ?? 0 }] : [];
    });
  }

  #open(): AsyncGenerator<ProcessEvent> {
    const { plane, calls, start, signal } = this.#parts;
    return resumeOutput(plane, {
      source: { start, attach: (way, call, offset) => calls.attach(way, call, offset) },
      fromOffset: this.#offset,
      onStarted: (started) => {
        calls.found(started);
        this.#offset ??= Number(started.firstOffset);
        this.#started.resolve(started);
      },
      signal: AbortSignal.any([signal, this.#stop.signal]),
    });
  }

  /** Ends the stream, so that an unread one holds nothing; `#events` can be read again from the offset. */
  async #detach(): Promise<void> {
    this.#stop.abort();
    await this.#events.return(undefined).catch(() => undefined);
    this.#stop = new AbortController();
    this.#events = this.#open();
  }
}

const streamNames: Readonly<Record<number, OutputEvent["stream"]>> = {
  [OutputStream.STDOUT]: "stdout",
  [OutputStream.STDERR]: "stderr",
  [OutputStream.PTY]: "pty",
};
