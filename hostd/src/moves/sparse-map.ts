/**
 * The map that GNU tar puts before the data of a file with holes (its format 1.0): decimal numbers, one a line, and nulls up
 * to a multiple of 512 bytes. First how many segments there are, then of each where it begins and how long it is.
 */

/** No disk is in so many pieces, and a stranger's map must end somewhere. */
const maxSegments = 1_000_000;
const maxDigits = 15;
const blockBytes = 512;

export interface Segment {
  readonly offset: number;
  readonly bytes: number;
}

export class SparseMapReader {
  readonly #numbers: number[] = [];
  #read = 0;
  #digits = 0;
  #number = 0;

  /** Takes bytes until the map is whole; says what is left of them then, which is data. */
  take(piece: Uint8Array): Uint8Array | undefined {
    for (let at = 0; at < piece.length; at++) {
      if (this.#whole() && this.#read % blockBytes === 0) return piece.subarray(at);
      this.#takeByte(piece[at] ?? 0);
    }
    return this.#whole() && this.#read % blockBytes === 0 ? new Uint8Array() : undefined;
  }

  segments(): Segment[] {
    const [, ...numbers] = this.#numbers;
    const segments: Segment[] = [];
    for (let at = 0; at < numbers.length; at += 2) {
      segments.push({ offset: numbers[at] ?? 0, bytes: numbers[at + 1] ?? 0 });
    }
    return segments;
  }

  /** How long it was. */
  get mapBytes(): number {
    return this.#read;
  }

  #whole(): boolean {
    const [count] = this.#numbers;
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }

  #takeByte(byte: number): void {
    this.#read += 1;
    if (this.#whole()) return; // up to the block's end
    const digit = byte - 0x30;
    if (digit >= 0 && digit <= 9 && this.#digits < maxDigits) {
      this.#number = this.#number * 10 + digit;
      this.#digits += 1;
    } else if (byte === 0x0a && this.#digits > 0) {
      this.#numbers.push(this.#number);
      this.#number = 0;
      this.#digits = 0;
      if (this.#numbers.length === 1 && (this.#numbers[0] ?? 0) > maxSegments)
        throw new Error("a map of holes is too long");
    } else {
      throw new Error("a map of holes is not made of numbers");
    }
  }
}
