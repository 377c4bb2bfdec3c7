/**
 * The wire's frames: a varint of the length, then that many bytes of one protobuf message. What comes in was written
 * by a guest, so a length is believed only as far as bytes follow it.
 */
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { GuestConnectionError } from "./guest-connection-error.ts";

/** The longest message either side may send. */
export const maxFrameBytes = 4 * 1024 * 1024;

/** The longest piece of content in one of them; a longer one is the reader's to refuse. */
const maxContentBytes = 1024 * 1024;

/** A varint of a length within the limit has at most four bytes. */
const maxPrefixBytes = 4;
const firstCapacity = 64 * 1024;

/** The frames of these messages in one buffer, after `prefix`. */
export function encodeFrames<D extends DescMessage>(schema: D, message: MessageShape<D>, prefix = ""): Buffer {
  const body = toBinary(schema, message);
  if (body.length > maxFrameBytes) {
    throw new GuestConnectionError(
      "protocol",
      `A frame of ${body.length} bytes is over the limit of ${maxFrameBytes}.`,
    );
  }
  const frame = Buffer.allocUnsafe(prefix.length + prefixLength(body.length) + body.length);
  let at = frame.write(prefix, 0, "latin1");
  let rest = body.length;
  while (rest > 0x7f) {
    frame[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  frame[at++] = rest;
  frame.set(body, at);
  return frame;
}

function prefixLength(length: number): number {
  return length < 1 << 7 ? 1 : length < 1 << 14 ? 2 : length < 1 << 21 ? 3 : 4;
}

/**
 * Cuts a byte stream into frames. A frame that lies in one chunk is a view of it; one that spans chunks is copied once
 * into a buffer that grows with the bytes that came, not with the length that was announced.
 */
export class FrameDecoder {
  /** Tag of the messages' one field whose bytes `nextContent` hands on; a tag of one byte. */
  readonly #contentTag: number | undefined;
  /** Content of the frame under way that has not come yet. */
  #contentLeft = 0;
  /** Bytes not yet looked at. */
  #chunk: Uint8Array = new Uint8Array(0);
  /** The frame under way, once its length is known and its bytes span chunks. */
  #frame: Uint8Array | undefined;
  #filled = 0;
  /** Announced length of the frame under way; undefined while its prefix is not whole. */
  #length: number | undefined;
  #prefix = 0;
  #prefixBytes = 0;

  constructor(contentTag?: number) {
    this.#contentTag = contentTag;
  }

  /** Call `next` until it has nothing more before the next `push`. */
  push(chunk: Uint8Array): void {
    this.#chunk = this.#chunk.length === 0 ? chunk : Buffer.concat([this.#chunk, chunk]);
  }

  /** The next whole frame, undefined where more bytes are needed. Throws where no more can follow. */
  next(): Uint8Array | undefined {
    const length = this.#readPrefix();
    if (length === undefined) return undefined;
    const missing = length - this.#filled;
    if (this.#chunk.length >= missing) {
      const tail = this.#take(missing);
      const frame = this.#frame ? this.#append(tail).subarray(0, length) : tail;
      this.#frame = undefined;
      this.#filled = 0;
      this.#length = undefined;
      return frame;
    }
    if (this.#chunk.length > 0) this.#append(this.#take(this.#chunk.length));
    return undefined;
  }

  /**
   * The next piece of content, where a frame carries nothing else and spans chunks: such a one is handed on as it comes, not
   * put together first. Undefined where `next` has to be asked, or more bytes are needed.
   */
  nextContent(): Uint8Array | undefined {
    if (this.#contentLeft === 0) this.#beginContent();
    if (this.#contentLeft === 0 || this.#chunk.length === 0) return undefined;
    const piece = this.#take(Math.min(this.#contentLeft, this.#chunk.length));
    this.#contentLeft -= piece.length;
    return piece;
  }

  #beginContent(): void {
    if (this.#filled > 0) return;
    const length = this.#readPrefix();
    if (length === undefined || length <= this.#chunk.length || this.#chunk[0] !== this.#contentTag) return;
    let size = 0;
    for (let at = 1; at <= maxPrefixBytes && at < this.#chunk.length; at += 1) {
      const byte = this.#chunk[at] as number;
      size |= (byte & 0x7f) << (7 * (at - 1));
      if (byte > 0x7f) continue;
      if (at + 1 + size !== length || size > maxContentBytes) return;
      this.#take(at + 1);
      this.#contentLeft = size;
      this.#length = undefined;
      return;
    }
  }

  /** True where the stream must not end: a frame has begun. */
  get torn(): boolean {
    return this.#contentLeft > 0 || this.#length !== undefined || this.#prefixBytes > 0 || this.#chunk.length > 0;
  }

  #take(count: number): Uint8Array {
    const taken = this.#chunk.subarray(0, count);
    this.#chunk = this.#chunk.subarray(count);
    return taken;
  }

  #readPrefix(): number | undefined {
    let used = 0;
    while (this.#length === undefined && used < this.#chunk.length) {
      const byte = this.#chunk[used++] as number;
      this.#prefix |= (byte & 0x7f) << (7 * this.#prefixBytes);
      this.#prefixBytes += 1;
      if (byte > 0x7f) {
        if (this.#prefixBytes === maxPrefixBytes) throw overLimit();
        continue;
      }
      if (this.#prefix > maxFrameBytes) throw overLimit();
      this.#length = this.#prefix;
      this.#prefix = 0;
      this.#prefixBytes = 0;
    }
    if (used > 0) this.#chunk = this.#chunk.subarray(used);
    return this.#length;
  }

  #append(bytes: Uint8Array): Uint8Array {
    const needed = this.#filled + bytes.length;
    let frame = this.#frame;
    if (!frame || frame.length < needed) {
      const doubled = Math.max(firstCapacity, (frame?.length ?? 0) * 2, needed);
      const grown = Buffer.allocUnsafe(Math.min(doubled, this.#length ?? needed));
      if (frame) grown.set(frame.subarray(0, this.#filled));
      frame = grown;
    }
    frame.set(bytes, this.#filled);
    this.#filled = needed;
    this.#frame = frame;
    return frame;
  }
}

function overLimit(): GuestConnectionError {
  return new GuestConnectionError("protocol", `The agent announced a frame of more than ${maxFrameBytes} bytes.`);
}
