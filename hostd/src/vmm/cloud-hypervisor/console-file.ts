import { constants } from "node:fs";
import { open } from "node:fs/promises";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
const MOST_BYTES = 64 * 1024;

/** What a guest writes to its console, by way of a file that the VMM's user may exchange: no link is followed. */
export class ConsoleFile {
  readonly #path: string;
  #read = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What came since it was last read; the end of it, where that is much. */
  async read(): Promise<Uint8Array> {
    await using file = await open(this.#path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile()) {
      return new Uint8Array();
    }
    // Emptied, and written from its start again.
    const seen = found.size < this.#read ? 0 : this.#read;
    const from = Math.max(seen, found.size - MOST_BYTES);
    const buffer = Buffer.alloc(found.size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    this.#read = from + bytesRead;
    // Zeros are the hole where the file was emptied, and the VMM wrote on at its old place.
    return buffer.subarray(0, bytesRead).filter((byte) => byte !== 0);
  }
}
