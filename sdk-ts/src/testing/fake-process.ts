/** A process of a fake sandbox: its output with offsets, its input, its end. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ExitKind,
  OutputStream,
  type ProcessExited,
  ProcessExitedSchema,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { FakeProgram } from "./fake-programs.ts";

interface Chunk {
  readonly offset: number;
  readonly stream: OutputStream;
  readonly data: Uint8Array<ArrayBuffer>;
}

interface FakeSize {
  readonly columns: number;
  readonly rows: number;
}

interface FakeProcessOptions {
  readonly id: string;
  readonly pid: number;
  readonly program: FakeProgram;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: string;
  readonly tag: string;
  readonly stdin: boolean;
  readonly pty: FakeSize | undefined;
  readonly timeoutMs: number | undefined;
}

export class FakeProcess {
  readonly options: FakeProcessOptions;
  exited: ProcessExited | undefined;
  /** Of its terminal, where it has one. */
  size: FakeSize | undefined;
  endOffset = 0;
  inputOffset = 0;
  /** Offset before which output is forgotten. */
  replayFrom = 0;
  readonly #chunks: Chunk[] = [];
  readonly #signals: number[] = [];
  readonly #receivers: ((signal: number) => void)[] = [];
  readonly #input: Uint8Array[] = [];
  #inputClosed: boolean;
  #changed = Promise.withResolvers<void>();

  constructor(options: FakeProcessOptions) {
    this.options = options;
    this.size = options.pty;
    this.#inputClosed = !options.stdin;
    void this.#run();
  }

  get inputClosed(): boolean {
    return this.#inputClosed || this.exited !== undefined;
  }

  kill(signal: number): void {
    if (signal !== 28) this.#signals.push(signal);
    for (const receive of this.#receivers) receive(signal);
    this.#wake();
  }

  resize({ columns, rows }: FakeSize): void {
    this.size = { columns, rows };
    this.kill(28);
  }

  /** What comes from `offset` on, until the process ends. */
  async *output(offset: number): AsyncGenerator<Chunk> {
    let at = Math.max(offset, this.replayFrom);
    for (;;) {
      const changed = this.#changed.promise;
      for (const chunk of this.#chunks) {
        const seen = at - chunk.offset;
        if (seen >= chunk.data.length) continue;
        at = chunk.offset + chunk.data.length;
        yield { ...chunk, offset: chunk.offset + Math.max(0, seen), data: chunk.data.slice(Math.max(0, seen)) };
      }
      if (this.exited) return;
      await changed;
    }
  }

  input(data: Uint8Array, close: boolean): void {
    this.#input.push(data);
    this.inputOffset += data.length;
    if (close) this.#inputClosed = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const start = performance.now();
    const { program, timeoutMs } = this.options;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.kill(15), timeoutMs);
    const exitCode = await program({
      ...this.options,
      stdin: this.#stdin(),
      onSignal: (receive) => {
        this.#receivers.push(receive);
        this.#signals.forEach(receive);
      },
      size: () => this.size,
      out: (data) => this.#write(this.size ? OutputStream.PTY : OutputStream.STDOUT, data),
      err: (data) => this.#write(this.size ? OutputStream.PTY : OutputStream.STDERR, data),
    });
    clearTimeout(timer);
    const signal = exitCode > 128 ? (this.#signals.at(-1) ?? 0) : 0;
    const timedOut = signal === 15 && timeoutMs !== undefined;
    this.exited = create(ProcessExitedSchema, {
      kind: timedOut ? ExitKind.TIMED_OUT : signal ? ExitKind.SIGNALED : ExitKind.EXITED,
      exitCode,
      signal,
      runTime: durationFromMs(Math.ceil(performance.now() - start)),
      endOffset: BigInt(this.endOffset),
    });
    this.#wake();
  }

  async *#stdin(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const changed = this.#changed.promise;
      const chunk = this.#input.shift();
      if (chunk) yield chunk;
      else if (this.#inputClosed || this.#signals.length > 0) return;
      else await changed;
    }
  }

  #write(stream: OutputStream, data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data);
    this.#chunks.push({ offset: this.endOffset, stream, data: bytes });
    this.endOffset += bytes.length;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
