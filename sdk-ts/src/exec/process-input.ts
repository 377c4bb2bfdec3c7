import { chunksOf } from "../bytes.ts";
import type { ByteSource } from "./exec-types.ts";

const maxPieceBytes = 1024 * 1024;

/** Sends one numbered piece; answers with the offset of the next one. */
export type SendInput = (offset: number, data: Uint8Array, close: boolean) => Promise<number>;

/**
 * Standard input of a process that was started with `stdin: true`. Pieces are numbered, so that none is written twice however
 * the connection fares. Calls wait for one another.
 */
export class ProcessInput {
  readonly #send: SendInput;
  readonly #isFresh: () => Promise<boolean>;
  #offset: number | undefined;
  #queue: Promise<void> = Promise.resolve();

  /** @internal `isFresh` says that nobody can have written before. */
  constructor(send: SendInput, isFresh: () => Promise<boolean>) {
    this.#send = send;
    this.#isFresh = isFresh;
  }

  /**
   * Writes text (as UTF-8) or bytes; resolves when the sandbox has taken them.
   * Throws a ConflictError (INPUT_CLOSED) after `end()` or where the process has no open standard input.
   */
  write(data: string | Uint8Array): Promise<void> {
    return this.#enqueue(() => this.#write(data));
  }

  /** Writes `data`, if any, and closes standard input. */
  end(data?: string | Uint8Array): Promise<void> {
    return this.#enqueue(async () => {
      if (data !== undefined) await this.#write(data);
      this.#offset = await this.#send(await this.#position(), new Uint8Array(0), true);
    });
  }

  /** @internal Feeds a whole source, then closes. */
  async feed(source: ByteSource): Promise<void> {
    for await (const chunk of chunksOf(source)) await this.write(chunk);
    await this.end();
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(step);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
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
}
