/** What this server itself sees of each host. */
export interface HostStatus {
  readonly hostId: string;
  /** Its list was held against the rows, and its stream is open. */
  connected: boolean;
  /** When it was last heard, by our clock; when we began to listen, before that. */
  heardAt: number;
  /** Origin of its edge as it said last; empty where it has none. */
  edgeUrl: string;
  /** When its certificate ends, as it said last; never for one that does not say. */
  certificateExpiresAt: number;
  /** When a renewal of its lease failed last, by our clock; 0 where none did. */
  leaseFailedAt: number;
}

export function newHostStatus(hostId: string, now: number): HostStatus {
  return {
    ...{ hostId, connected: false, heardAt: now, edgeUrl: "" },
    certificateExpiresAt: Number.POSITIVE_INFINITY,
    leaseFailedAt: 0,
  };
}

export type HostStatuses = ReadonlyMap<string, HostStatus>;
