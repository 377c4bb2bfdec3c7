import { joinBytes } from "../bytes.ts";

/** Keeps the first bytes of each stream, up to a bound. */
export class OutputCollector {
  readonly #maxBytes: number;
  readonly #streams = {
    stdout: { chunks: [] as Uint8Array[], size: 0 },
    stderr: { chunks: [] as Uint8Array[], size: 0 },
  };
  /** Something was dropped. */
  truncated = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(stream: "stdout" | "stderr" | "pty", data: Uint8Array): void {
    const kept = this.#streams[stream === "stderr" ? "stderr" : "stdout"];
    const room = this.#maxBytes - kept.size;
    if (data.length > room) this.truncated = true;
    if (room <= 0) return;
    // A copy where it is cut, or the rest of the message would stay in memory.
    const part = data.length > room ? data.slice(0, room) : data;
    kept.chunks.push(part);
    kept.size += part.length;
  }

  bytes(stream: "stdout" | "stderr"): Uint8Array {
    return joinBytes(this.#streams[stream].chunks);
  }
}
