/**
 * Log entries on their way to one client: several producers, one consumer, a bound. A producer looks whether it is full
 * *before* it takes more from the guest, and where it is lets go of the guest until there is room: a client that reads
 * slowly must not hold the guest's programs back.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LogEntrySchema } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import type { LogPosition } from "./log-position.ts";

export type LogLine = MessageInitShape<typeof LogEntrySchema> & {
  readonly text: string;
  readonly position: LogPosition;
};

export type LogsEvent =
  | { readonly case: "entry"; readonly value: LogLine }
  | { readonly case: "backlogEnd"; readonly value: { readonly positions: LogPosition[] } };

/** Where producers put their lines. */
export interface LogSink {
  push(line: LogLine): void;
  readonly full: boolean;
  /** Resolves when it is this producer's turn to push; rejects with the signal's reason. */
  room(signal: AbortSignal): Promise<void>;
}

const maxLines = 2_000;
const maxChars = 1024 * 1024;

export class LogQueue implements LogSink {
  #events: LogsEvent[] = [];
  #chars = 0;
  #over: { readonly error?: unknown } | undefined;
  #wakeConsumer: (() => void) | undefined;
  readonly #producers = new Set<() => void>();

  push(line: LogLine): void {
    this.#events.push({ case: "entry", value: line });
    this.#chars += line.text.length;
    this.#wakeConsumer?.();
  }

  /** What was there is pushed. */
  endBacklog(positions: LogPosition[]): void {
    this.#events.push({ case: "backlogEnd", value: { positions } });
    this.#wakeConsumer?.();
  }

  get full(): boolean {
    return this.#events.length >= maxLines || this.#chars >= maxChars;
  }

  async room(signal: AbortSignal): Promise<void> {
    while (this.full) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#producers.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#producers.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
    signal.throwIfAborted();
  }

  /** Nothing more comes; with an error, the consumer gets that after the last line. */
  end(how: { readonly error?: unknown }): void {
    this.#over ??= how;
    this.#wakeConsumer?.();
  }

  /** What there is; nothing after `idleMs` without any; undefined at the end. */
  async take(idleMs: number, signal: AbortSignal): Promise<LogsEvent[] | undefined> {
    if (this.#events.length === 0 && !this.#over) await this.#wait(idleMs, signal);
    signal.throwIfAborted();
    const events = this.#events;
    this.#events = [];
    this.#chars = 0;
    // In the order they came, and only as many as there is room for: each looks again.
    for (const wake of this.#producers) wake();
    if (events.length > 0 || !this.#over) return events;
    if ("error" in this.#over) throw this.#over.error;
    return undefined;
  }

  #wait(idleMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#wakeConsumer = undefined;
        clearTimeout(timer);
        signal.removeEventListener("abort", settle);
        resolve();
      };
      const timer = setTimeout(settle, idleMs);
      this.#wakeConsumer = settle;
      signal.addEventListener("abort", settle, { once: true });
    });
  }
}

/** The last lines of a source. */
export class LogTail implements LogSink {
  readonly full = false;
  readonly #count: number;
  readonly #lines: LogLine[] = [];
  readonly #leftOut = new Map<string, LogPosition>();
  #chars = 0;

  constructor(count: number) {
    this.#count = count;
  }

  push(line: LogLine): void {
    this.#lines.push(line);
    this.#chars += line.text.length;
    while (this.#lines.length > this.#count || this.#chars > maxTailChars) {
      const { text, position } = this.#lines.shift() as LogLine;
      this.#chars -= text.length;
      this.#leftOut.set(position.log, position);
    }
  }

  async room(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
  }

  get lines(): readonly LogLine[] {
    return this.#lines;
  }

  /** After the last line that was left out, of each log that has one. */
  get leftOut(): Iterable<LogPosition> {
    return this.#leftOut.values();
  }
}

/** What a tail holds at most, however many lines were asked for. */
const maxTailChars = 4 * 1024 * 1024;
