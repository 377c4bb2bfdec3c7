/** A connection to a TCP port of the guest, made by the agent: a program that listens on 127.0.0.1 or ::1 can be reached too. */
import { Duplex } from "node:stream";
import { problem } from "@daytonah/lib/problem.ts";
import { type AgentClient, type GuestCallOptions, type GuestStream, unexpectedEvent } from "./agent-client.ts";

/** The wire's limit for a piece, both ways. */
const maxPieceBytes = 1024 * 1024;
/** The agent itself gives up after 10 s. */
const connectMs = 15_000;

/**
 * Resolves when the program has taken the connection. Throws PORT_CLOSED where nothing listens. Its two directions end on
 * their own; it is destroyed with `signal`, and breaks with a Problem or a GuestConnectionError where the connection does.
 */
export async function forwardPort(
  agent: AgentClient,
  port: number,
  options: Omit<GuestCallOptions, "timeoutMs">,
): Promise<Duplex> {
  const stream = await agent.open({ case: "forwardPort", value: { port } }, { ...options, timeoutMs: connectMs });
  try {
    await stream.begun();
    return new PortConnection(stream, port, options.signal);
  } catch (error) {
    stream[Symbol.dispose]();
    throw error;
  }
}

class PortConnection extends Duplex {
  readonly #stream: GuestStream;
  readonly #port: number;
  readonly #signal: AbortSignal;
  #reading = false;
  /** The program writes no more. */
  #closed = false;

  constructor(stream: GuestStream, port: number, signal: AbortSignal) {
    // It goes when the agent says that all was taken, not when the last byte was handed over.
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#stream = stream;
    this.#port = port;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => this.destroy(this.#signal.reason);

  override _read(): void {
    if (this.#reading) return; // it goes on by itself
    this.#reading = true;
    this.#receive().catch((error: Error) => this.destroy(error));
  }

  /** Until the stream's buffer is full, or the end. */
  async #receive(): Promise<void> {
    for (let more = true; more; ) {
      const event = await this.#stream.next();
      if (!event) return this.#end();
      switch (event.case) {
        case "data":
          if (this.#closed || event.value.length > maxPieceBytes) throw unexpectedEvent(event);
          more = this.push(event.value);
          break;
        case "close":
          if (this.#closed) throw unexpectedEvent(event);
          this.#closed = true;
          this.push(null); // nothing but the call's end may follow, so it is waited for without being asked
          break;
        case "heartbeat":
          break;
        default:
          throw unexpectedEvent(event);
      }
    }
    this.#reading = false;
  }

  /** The agent says that both directions are over. */
  #end(): void {
    if (!this.#closed || !this.writableEnded) {
      throw problem("PORT_CLOSED", `The connection to port ${this.#port} broke.`, {
        metadata: { port: String(this.#port) },
      });
    }
    if (this.readableEnded) this.destroy();
    else this.once("end", () => this.destroy());
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error) => void): void {
    this.#send([{ chunk }]).then(() => done(), done);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], done: (error?: Error) => void): void {
    this.#send(chunks).then(() => done(), done);
  }

  /** Many small writes go out as one piece, uncopied. */
  async #send(chunks: readonly { readonly chunk: Buffer }[]): Promise<void> {
    let piece: Buffer[] = [];
    let bytes = 0;
    for (const { chunk } of chunks) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + maxPieceBytes - bytes);
        piece.push(part);
        at += part.length;
        bytes += part.length;
        if (bytes < maxPieceBytes) continue;
        await this.#stream.send(...piece);
        [piece, bytes] = [[], 0];
      }
    }
    if (bytes > 0) await this.#stream.send(...piece);
  }

  override _final(done: (error?: Error) => void): void {
    this.#stream.sendClose().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#stream[Symbol.dispose]();
    done(error);
  }
}
