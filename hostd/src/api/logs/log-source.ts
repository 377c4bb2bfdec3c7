import type { LogSink } from "./log-queue.ts";

/** One of the places that log lines come from. */
export interface LogSource {
  /** Pushes what is there, and resolves. */
  backlog(sink: LogSink): Promise<void>;
  /** Pushes what comes after that, until its signal aborts. */
  follow(sink: LogSink): Promise<void>;
}
