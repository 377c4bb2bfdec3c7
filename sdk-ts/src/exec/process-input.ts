import { chunksOf, joinBytes } from "../bytes.ts";
import type { ByteSource } from "./exec-types.ts";
import type { ProcessCalls } from "./process-calls.ts";

const maxPieceBytes = 1024 * 1024;

/** What is to be sent next. */
interface Batch {
  readonly chunks: Uint8Array[];
  readonly done: Promise<void>;
}

/**
 * Standard input of a process that was started with `stdin: true`. Pieces are numbered, so that none is written twice however
 * the connection fares. What is written while a call is under way goes together in the next one.
 */
export class ProcessInput {
  readonly #calls: Pick<ProcessCalls, "sendInput">;
  readonly #started: Promise<unknown>;
  readonly #isFresh: () => Promise<boolean>;
  #offset: number | undefined;
  #queue: Promise<void> = Promise.resolve();
  #batch: Batch | undefined;

  /** @internal `isFresh` says that nobody can have written before. */
  constructor(calls: Pick<ProcessCalls, "sendInput">, started: Promise<unknown>, isFresh: () => Promise<boolean>) {
    this.#calls = calls;
    this.#started = started;
    this.#isFresh = isFresh;
  }

  /**
   * Writes text (as UTF-8) or bytes; resolves when the sandbox has taken them.
   * Throws a ConflictError (INPUT_CLOSED) after `end()` or where the process has no open standard input.
   */
  write(data: string | Uint8Array): Promise<void> {
    this.#batch ??= this.#newBatch();
    this.#batch.chunks.push(typeof data === "string" ? new TextEncoder().encode(data) : data);
    return this.#batch.done;
  }

  /** Writes `data`, if any, and closes standard input. */
  end(data?: string | Uint8Array): Promise<void> {
    const written = data === undefined ? undefined : this.write(data);
    this.#batch = undefined; // what is written from here on comes too late
    return this.#enqueue(async () => {
      await written;
      this.#offset = await this.#send(await this.#position(), new Uint8Array(0), true);
    });
  }

  /** @internal Feeds a whole source, then closes. */
  async feed(source: ByteSource): Promise<void> {
    for await (const chunk of chunksOf(source)) await this.write(chunk);
    await this.end();
  }

  #newBatch(): Batch {
    const chunks: Uint8Array[] = [];
    const done = this.#enqueue(() => {
      if (this.#batch?.chunks === chunks) this.#batch = undefined;
      return this.#sendAll(joinBytes(chunks));
    });
    return { chunks, done };
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(step);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #sendAll(bytes: Uint8Array): Promise<void> {
    const start = await this.#position();
    for (let at = 0; at < bytes.length; ) {
      // The sandbox may take less than it was given; it says where to go on.
      const next = await this.#send(start + at, bytes.subarray(at, at + maxPieceBytes), false);
      at = next - start;
      this.#offset = next;
    }
  }

  /** An empty piece at 0 is a repeat that changes nothing; its answer tells how far others have written. */
  async #position(): Promise<number> {
    this.#offset ??= (await this.#isFresh()) ? 0 : await this.#send(0, new Uint8Array(0), false);
    return this.#offset;
  }

  async #send(offset: number, data: Uint8Array, close: boolean): Promise<number> {
    await this.#started; // or the process might not be there yet
    return this.#calls.sendInput(offset, data, close);
  }
}
