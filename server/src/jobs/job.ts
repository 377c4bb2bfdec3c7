/** A piece of durable work: docs/decisions/0015-durable-jobs.md says what belongs here and what in a loop. */
export interface Job {
  /** [a-z-]; also the name of its queue. */
  readonly name: string;
  /** When it is due, as cron says it, UTC. One of all servers does it then. */
  readonly schedule: string;
  /** A run that takes longer is given up, and tried again. */
  readonly longestSeconds: number;
  /** May be run again from the start after it failed or its server died. Aborted where the server stops. */
  readonly run: (options: { readonly signal: AbortSignal }) => Promise<void>;
}
