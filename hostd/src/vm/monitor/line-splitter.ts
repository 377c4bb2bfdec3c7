/** Cuts bytes into lines of text, of which each fits a log entry: longer ones come in pieces. */

/** The longest line that an entry of a log takes. */
const maxLineBytes = 4096;
/** So many UTF-16 units are at most so many bytes of UTF-8 as a line may have. */
const maxLineUnits = Math.floor(maxLineBytes / 3);

export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The lines that these bytes end. */
  push(bytes: Uint8Array): string[] {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: string[] = [];
    let at = 0;
    for (;;) {
      const end = all.indexOf(0x0a, at);
      const stop = end < 0 ? all.length : end;
      while (stop - at > maxLineBytes) {
        const cut = characterEnd(all, at + maxLineBytes);
        lines.push(...pieces(all.toString("utf8", at, cut)));
        at = cut;
      }
      if (end < 0) break;
      lines.push(...pieces(all.toString("utf8", at, end)));
      at = end + 1;
    }
    this.#rest = Buffer.from(all.subarray(at)); // a view would keep the whole chunk
    return lines;
  }

  /** What has come of a line without an end; none where that is nothing. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest.length === 0 ? [] : pieces(rest.toString("utf8"));
  }
}

/** At or a little before `at`: not inside a character. */
function characterEnd(bytes: Buffer, at: number): number {
  for (let end = at; end > at - 4; end--) {
    if (((bytes[end] ?? 0) & 0xc0) !== 0x80) return end;
  }
  return at; // no UTF-8 anyway
}

/** One, unless what was no UTF-8 has grown beyond an entry: each of its bytes became a character of three. */
function pieces(line: string): string[] {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  if (text.length <= maxLineUnits || Buffer.byteLength(text) <= maxLineBytes) return [text];
  const cut: string[] = [];
  for (let at = 0; at < text.length; at += maxLineUnits) cut.push(text.slice(at, at + maxLineUnits));
  return cut;
}
