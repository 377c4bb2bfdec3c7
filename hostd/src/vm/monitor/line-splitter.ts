/** Cuts bytes into lines of text, of which each fits a log entry: longer ones come in pieces, the same for however it came. */

/** The longest line that an entry of a log takes. */
const maxLineBytes = 4096;
/** So many bytes that are no UTF-8 become at most so many as a line may have: each is a character of three. */
const maxForeignBytes = Math.floor(maxLineBytes / 3);

export interface Line {
  readonly text: string;
  /** Offset of the first byte that is neither in it nor before it. */
  readonly end: bigint;
}

/** Bytes that follow one another. */
interface Part {
  offset: bigint;
  length: number;
}

export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  /** Where the rest's bytes are from: what stands between them is of others. */
  #parts: Part[] = [];

  /** The lines that these bytes end. `offset` is the first one's. */
  push(bytes: Uint8Array, offset = 0n): Line[] {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (chunk.length > 0) this.#parts.push({ offset, length: chunk.length });
    return this.#cut(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]), false);
  }

  /** What has come of a line without an end; none where that is nothing. */
  end(): Line[] {
    return this.#cut(this.#rest, true);
  }

  /** Offset of the first byte that is in no line yet; undefined where all are. */
  get unfinished(): bigint | undefined {
    return this.#parts[0]?.offset;
  }

  #cut(all: Buffer, isEnd: boolean): Line[] {
    const lines: Line[] = [];
    let at = 0;
    while (at < all.length) {
      const newline = all.indexOf(0x0a, at);
      const stop = newline < 0 ? all.length : newline;
      const isLong = stop - at > maxLineBytes;
      if (newline < 0 && !isLong && !isEnd) break;
      const piece = pieceOf(all, at, isLong ? characterEnd(all, at + maxLineBytes) : stop);
      const next = piece.end === newline ? newline + 1 : piece.end;
      const isLast = piece.end === stop;
      lines.push({ text: isLast ? piece.text.replace(/\r$/, "") : piece.text, end: this.#take(next - at) });
      at = next;
    }
    this.#rest = Buffer.from(all.subarray(at)); // a view would keep the whole chunk
    return lines;
  }

  /** The offset after so many more bytes. */
  #take(count: number): bigint {
    let end = 0n;
    for (let left = count; left > 0; ) {
      const part = this.#parts[0] as Part;
      const taken = Math.min(left, part.length);
      left -= taken;
      part.length -= taken;
      part.offset += BigInt(taken);
      end = part.offset;
      if (part.length === 0) this.#parts.shift();
    }
    return end;
  }
}

/** From `at` to `end`, or a part of it where what is no UTF-8 would grow beyond an entry. */
function pieceOf(all: Buffer, at: number, end: number): { readonly text: string; readonly end: number } {
  const text = all.toString("utf8", at, end);
  if (text.length <= maxForeignBytes || Buffer.byteLength(text) <= maxLineBytes) return { text, end };
  const cut = characterEnd(all, at + maxForeignBytes);
  return { text: all.toString("utf8", at, cut), end: cut };
}

/** At or a little before `at`: not inside a character. */
function characterEnd(bytes: Buffer, at: number): number {
  for (let end = at; end > at - 4; end--) {
    if (((bytes[end] ?? 0) & 0xc0) !== 0x80) return end;
  }
  return at; // no UTF-8 anyway
}
