/** What this server itself sees of each host. */
export interface HostStatus {
  readonly hostId: string;
  /** Its list was held against the rows, and its stream is open. */
  connected: boolean;
  /** When it was last heard, by our clock; when we began to listen, before that. */
  heardAt: number;
  /** Origin of its edge as it said last; empty where it has none. */
  edgeUrl: string;
}

export type HostStatuses = ReadonlyMap<string, HostStatus>;
