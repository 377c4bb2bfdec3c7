import type { ProcessStarted } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { ProcessExit, PtySize } from "../exec/exec-types.ts";
import type { ProcessCalls } from "../exec/process-calls.ts";
import { processExitOf } from "../exec/process-exit.ts";
import { ProcessInput } from "../exec/process-input.ts";
import { type OutputSource, resumeOutput } from "../exec/resume-output.ts";
import { type SignalName, signalNumberOf } from "../exec/signal-names.ts";
import { ReadAhead } from "./read-ahead.ts";

/** Read ahead of whoever iterates, so that the end is seen also where nobody does. */
const readAheadBytes = 1024 * 1024;

interface PtyOutput {
  readonly data: Uint8Array;
  readonly offset: number;
  readonly lostBytes: number;
}

/** @internal */
export interface PtyParts {
  readonly plane: DataPlane;
  readonly calls: ProcessCalls;
  readonly start: OutputSource["start"];
  /** Undefined where the process is yet to be started. */
  readonly fromOffset: number | undefined;
  readonly isFresh: (started: ProcessStarted) => boolean;
  readonly signal: AbortSignal;
  /** Called once it is known how the process ended, or that this can't be known. */
  readonly onEnded: () => void;
}

/**
 * A program on a terminal in a sandbox. Iterate it for the bytes that the terminal shows; `write` is the keyboard. Several can
 * be attached to one, also from different machines: each sees everything. A broken connection is mended behind your back.
 *
 * @example
 * const pty = await sandbox.pty({ columns: 120, rows: 40 });
 * await pty.write("ls -l\n");
 * for await (const bytes of pty) process.stdout.write(bytes);
 * const { exitCode } = await pty.exited;
 *
 * @example
 * pty.detach(); // the program runs on
 * const again = await sandbox.attachPty(pty.id, { fromOffset: pty.offset });
 */
export class Pty implements AsyncIterable<Uint8Array> {
  readonly #parts: PtyParts;
  readonly #input: ProcessInput;
  readonly #started = Promise.withResolvers<ProcessStarted>();
  readonly #exit = Promise.withResolvers<ProcessExit>();
  #pid = 0;
  #offset: number | undefined;
  #lostBytes = 0;
  #stop = new AbortController();
  #ahead: ReadAhead<PtyOutput>;
  #reading = false;

  /** @internal */
  constructor(parts: PtyParts) {
    this.#parts = parts;
    this.#offset = parts.fromOffset;
    for (const { promise } of [this.#started, this.#exit]) promise.catch(() => undefined); // told to those who ask
    const isFresh = async () => parts.isFresh(await this.#started.promise);
    this.#input = new ProcessInput(parts.calls, this.#started.promise, isFresh);
    this.#ahead = this.#open();
  }

  /** @internal Resolves when the program runs. */
  async opened(): Promise<this> {
    this.#pid = (await this.#started.promise).pid;
    return this;
  }

  /** Name of the process, for `sandbox.attachPty(id)`. */
  get id(): string {
    return this.#parts.calls.id;
  }

  /** pid in the sandbox. */
  get pid(): number {
    return this.#pid;
  }

  /** Offset after the last byte that was read here, for `attachPty(id, { fromOffset })`. */
  get offset(): number {
    return this.#offset ?? 0;
  }

  /** Bytes that the sandbox no longer had when they were asked for: the picture may be wrong until it is drawn anew. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  /**
   * How the program ended, once it did; asking takes a terminal that was let go of up again. Output waits to be read, up to
   * 1 MiB: where more is left unread the end is not seen. Rejects where the terminal can't be reached any more.
   */
  get exited(): Promise<ProcessExit> {
    if (this.#stop.signal.aborted) this.#ahead = this.#open();
    return this.#exit.promise;
  }

  /**
   * Types: text (as UTF-8) or bytes, "\x03" for Ctrl-C. Resolves when the sandbox has taken them; what is written meanwhile
   * goes together in the next call. Throws a NotFoundError (PROCESS_NOT_FOUND) or ConflictError (INPUT_CLOSED) after the end.
   */
  write(data: string | Uint8Array): Promise<void> {
    return this.#input.write(data);
  }

  /** Tells the program its window's new size. */
  resize(size: PtySize): Promise<void> {
    return this.#parts.calls.resize(size);
  }

  /** Sends a signal to the program and its children; SIGHUP, as a terminal that is closed does, where none is named. */
  async kill(signal: SignalName | number = "SIGHUP"): Promise<void> {
    await this.#parts.calls.signal(signalNumberOf(signal));
  }

  /** Lets go of the terminal: a loop over it ends, the program runs on. Iterating again goes on where reading stopped. */
  detach(): void {
    this.#stop.abort();
    this.#ahead.end();
  }

  /** What the terminal shows, until the program ends. One reader at a time; leaving the loop early detaches. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#reading) throw new Error("This terminal's output is being read already.");
    this.#reading = true;
    if (this.#stop.signal.aborted) this.#ahead = this.#open();
    let ended = false;
    try {
      for (;;) {
        const output = await this.#ahead.take();
        if (!output || this.#stop.signal.aborted) break;
        this.#offset = output.offset + output.data.length;
        this.#lostBytes += output.lostBytes;
        yield output.data;
      }
      ended = true;
    } finally {
      if (!ended) this.detach();
      this.#reading = false;
    }
  }

  #open(): ReadAhead<PtyOutput> {
    this.#stop = new AbortController();
    const ahead = new ReadAhead<PtyOutput>(readAheadBytes);
    void this.#pump(ahead, this.#stop.signal);
    return ahead;
  }

  async #pump(ahead: ReadAhead<PtyOutput>, stop: AbortSignal): Promise<void> {
    const { plane, calls, start, signal, onEnded } = this.#parts;
    const events = resumeOutput(plane, {
      source: { start, attach: (way, call, offset) => calls.attach(way, call, offset) },
      fromOffset: this.#offset,
      onStarted: (started) => {
        calls.found(started);
        this.#offset ??= Number(started.firstOffset);
        this.#started.resolve(started);
      },
      signal: AbortSignal.any([signal, stop]),
    });
    try {
      for await (const event of events) {
        if (event.t === "output") await ahead.push({ ...event, data: event.output.data });
        else this.#exit.resolve(processExitOf(event.exited));
      }
      ahead.end();
      onEnded();
    } catch (error) {
      if (stop.aborted && !signal.aborted) return;
      this.#started.reject(error);
      this.#exit.reject(error);
      ahead.end({ error });
      onEnded();
    }
  }
}
