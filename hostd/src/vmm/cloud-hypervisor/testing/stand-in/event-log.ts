import { appendFileSync } from "node:fs";

/** The event monitor: each event is JSON over several lines, and a blank line. */
export class EventLog {
  readonly #path: string | undefined;
  readonly #start = process.hrtime.bigint();

  constructor(path: string | undefined) {
    this.#path = path;
  }

  write(source: string, event: string, properties: Record<string, string> | null = null): void {
    if (this.#path === undefined) {
      return;
    }
    const passed = process.hrtime.bigint() - this.#start;
    const timestamp = { secs: Number(passed / 1_000_000_000n), nanos: Number(passed % 1_000_000_000n) };
    const text = JSON.stringify({ timestamp, source, event, properties }, undefined, 2);
    appendFileSync(this.#path, `${text}\n\n`);
  }
}
