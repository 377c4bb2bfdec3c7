/** The last lines of a VM's console. They are taken from the VMM from time to time, and when somebody reads them. */
import { randomUUID } from "node:crypto";
import type { VmmCallOptions } from "../../vmm/vmm.ts";
import { LineSplitter } from "./line-splitter.ts";

/** Whatever the guest writes, its console takes no more of our memory. */
const maxChars = 64 * 1024;
const maxLines = 1_000;

export interface ConsoleLine {
  /** Counts the lines, from 1. */
  readonly sequence: number;
  /** When it was read: the VMM does not tell when it was written. */
  readonly readAt: Date;
  readonly text: string;
}

export class ConsoleLog {
  /** Its sequence numbers mean something only beside this. */
  readonly id = randomUUID();
  readonly #read: (options: VmmCallOptions) => Promise<Uint8Array>;
  readonly #now: () => Date;
  readonly #splitter = new LineSplitter();
  #lines: ConsoleLine[] = [];
  #chars = 0;
  #last = 0;
  #reading: Promise<void> | undefined;

  constructor(read: (options: VmmCallOptions) => Promise<Uint8Array>, now: () => Date) {
    this.#read = read;
    this.#now = now;
  }

  /** Takes what the guest wrote meanwhile. Readers at the same time share one reading. */
  async refresh(options: VmmCallOptions): Promise<void> {
    this.#reading ??= this.#take(options).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** The lines kept with this sequence number or a later one. */
  linesFrom(sequence: number): readonly ConsoleLine[] {
    return this.#lines.filter((line) => line.sequence >= sequence);
  }

  async #take(options: VmmCallOptions): Promise<void> {
    const bytes = await this.#read(options);
    const readAt = this.#now();
    for (const { text } of this.#splitter.push(bytes)) {
      this.#lines.push({ sequence: ++this.#last, readAt, text });
      this.#chars += text.length;
    }
    let gone = Math.max(0, this.#lines.length - maxLines);
    for (let chars = this.#chars; chars > maxChars; gone++) chars -= this.#lines[gone]?.text.length ?? chars;
    for (const line of this.#lines.splice(0, gone)) this.#chars -= line.text.length;
  }
}
