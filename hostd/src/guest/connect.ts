/** One vsock connection to a guest's port, through the VMM's unix socket. */
import net from "node:net";
import { WireType } from "@bufbuild/protobuf/wire";
import { ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { FrameDecoder } from "./frames.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";

/** `OK 4294967295\n` and a byte to spare. */
const maxLineBytes = 15;

export interface GuestAddress {
  /** The VMM's unix socket in front of the guest's vsock. */
  readonly path: string;
  readonly port: number;
}

/** The line that asks for the port. What is sent behind it reaches the guest once the port is open: no round trip lost. */
export function connectLine(address: GuestAddress): string {
  return `CONNECT ${address.port}\n`;
}

/**
 * Dials, sends `first` (which starts with the connect line), and resolves when the port is open. The connection ends
 * with `signal`, and is the caller's to dispose.
 */
export async function connectGuest(
  address: GuestAddress,
  first: Uint8Array,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<GuestConnection> {
  options.signal.throwIfAborted();
  const connection = new GuestConnection(address.path, options.signal);
  try {
    connection.write(first).catch(() => undefined); // the read below reports what broke
    const line = await connection.readLine(options.timeoutMs);
    if (!/^OK \d{1,10}$/.test(line)) {
      throw new GuestConnectionError("protocol", "The vsock device did not answer CONNECT with OK.");
    }
    return connection;
  } catch (error) {
    connection[Symbol.dispose]();
    if (options.signal.aborted) throw options.signal.reason;
    if (error instanceof GuestConnectionError && error.fault === "broken") {
      throw new GuestConnectionError("unconnected", "The guest's port takes no connection.", { cause: error.cause });
    }
    throw error;
  }
}

/** A message, or some of the bytes of its field `data` where it has no other. */
export interface GuestFrame {
  readonly t: "message" | "content";
  readonly bytes: Uint8Array;
}

const contentTag = (ResponseSchema.field.data.number << 3) | WireType.LengthDelimited;

/** Reads only when asked to: a slow consumer fills the socket's buffers, and so holds the agent back. */
export class GuestConnection implements Disposable {
  readonly #socket: net.Socket;
  readonly #signal: AbortSignal;
  readonly #decoder = new FrameDecoder(contentTag);
  #failure: Error | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(path: string, signal: AbortSignal) {
    this.#signal = signal;
    this.#socket = net.connect({ path });
    this.#socket.on("readable", () => this.#wake?.());
    this.#socket.on("end", () => this.#end(undefined));
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(undefined));
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = () => {
    this.#end(this.#signal.reason);
    this.#socket.destroy();
  };

  #end(failure: Error | undefined): void {
    this.#failure ??= failure;
    this.#ended = true;
    this.#wake?.();
  }

  /** The next frame, or a piece of content of one; undefined where the agent closed between two frames. */
  async readFrame(timeoutMs: number): Promise<GuestFrame | undefined> {
    for (;;) {
      const content = this.#decoder.nextContent();
      if (content) return { t: "content", bytes: content };
      const message = this.#decoder.next();
      if (message) return { t: "message", bytes: message };
      const chunk = await this.#readChunk(timeoutMs);
      if (!chunk) {
        if (!this.#decoder.torn) return undefined;
        throw new GuestConnectionError("broken", "The connection to the agent ended inside a frame.");
      }
      this.#decoder.push(chunk);
    }
  }

  /** The line before the frames, without its end. */
  async readLine(timeoutMs: number): Promise<string> {
    let seen: Buffer = Buffer.alloc(0);
    for (;;) {
      const end = seen.indexOf(0x0a);
      if (end >= 0) {
        this.#decoder.push(seen.subarray(end + 1));
        return seen.toString("latin1", 0, end);
      }
      if (seen.length > maxLineBytes)
        throw new GuestConnectionError("protocol", "The vsock device's answer is too long.");
      const chunk = await this.#readChunk(timeoutMs);
      if (!chunk) throw new GuestConnectionError("broken", "The vsock device closed the connection.");
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    }
  }

  /** Resolves when the socket takes more. Rejects when it is closed before that. The pieces go out as one, uncopied. */
  async write(...pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#socket.destroyed) throw this.#brokenError();
    this.#socket.cork();
    let taken = true;
    for (const piece of pieces) taken = this.#socket.write(piece);
    this.#socket.uncork();
    if (taken) return;
    await new Promise<void>((resolve, reject) => {
      const settle = () => {
        this.#socket.off("drain", settle).off("close", settle);
        if (this.#socket.destroyed) reject(this.#brokenError());
        else resolve();
      };
      this.#socket.on("drain", settle).on("close", settle);
    });
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#socket.destroy();
  }

  /** What the socket has, or undefined at its end. Throws after `timeoutMs` without a byte. */
  async #readChunk(timeoutMs: number): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk) return chunk;
      if (this.#signal.aborted) throw this.#signal.reason;
      if (this.#ended) {
        if (this.#failure) throw this.#brokenError();
        return undefined;
      }
      await this.#readable(timeoutMs);
    }
  }

  #readable(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        reject(new GuestConnectionError("silent", `The agent sent nothing for ${timeoutMs} ms.`));
      }, timeoutMs);
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #brokenError(): Error {
    return new GuestConnectionError("broken", "The connection to the agent broke.", { cause: this.#failure });
  }
}
