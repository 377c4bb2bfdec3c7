/** Sources of bytes, cut into pieces of one size. */
import type { ByteSource } from "./exec/exec-types.ts";

export interface Piece {
  readonly data: Uint8Array;
  /** Position of its first byte. */
  readonly offset: number;
  /** No other follows. */
  readonly last: boolean;
}

/** The source in pieces of `size` bytes, the last one shorter or, where the source is empty, the only one and empty. */
export async function* piecesOf(source: ByteSource, size: number): AsyncGenerator<Piece> {
  let held: Uint8Array[] = [];
  let length = 0;
  let offset = 0;
  for await (const chunk of chunksOf(source)) {
    for (let at = 0; at < chunk.length; ) {
      // Only when more is known to come: the last piece must be marked.
      if (length === size) {
        yield { data: joinBytes(held), offset, last: false };
        offset += size;
        held = [];
        length = 0;
      }
      const part = chunk.subarray(at, at + size - length);
      held.push(part);
      length += part.length;
      at += part.length;
    }
  }
  yield { data: joinBytes(held), offset, last: true };
}

/** As a stream; what is read ahead is one chunk. */
export function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}

export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (only && chunks.length === 1) return only;
  const joined = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/** The source's bytes as they come. */
export async function* chunksOf(source: ByteSource): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const toBytes = (chunk: string | Uint8Array) => (typeof chunk === "string" ? encoder.encode(chunk) : chunk);
  if (typeof source === "string" || source instanceof Uint8Array) yield toBytes(source);
  else for await (const chunk of source instanceof ReadableStream ? readAll(source) : source) yield toBytes(chunk);
}

/** Not every browser's ReadableStream can be iterated. */
async function* readAll(stream: ReadableStream<Uint8Array | string>): AsyncGenerator<Uint8Array | string> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}
