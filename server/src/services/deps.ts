/** What the services work with. */
import type { Logger } from "@daytonah/lib/log.ts";
import type { Db } from "../db/schema.ts";
import type { Clock } from "../domain/clock.ts";
import type { HostClients } from "../hosts/host-client.ts";
import type { Background } from "./background.ts";
import type { EventFeed } from "./event-feed.ts";
import type { HeldClaims } from "./held-claims.ts";

export interface ServiceDeps {
  readonly db: Db;
  readonly hosts: HostClients;
  readonly clock: Clock;
  readonly claims: HeldClaims;
  readonly background: Background;
  readonly events: EventFeed;
  readonly log: Logger;
  /** From which sandboxes' access tokens are made. */
  readonly tokenKey: string;
  /** How long hosts keep what deleted sandboxes had; 0: not at all. */
  readonly tombstoneMs: number;
  /** Origin of a host's edge; empty where it has none, or we have not heard of the host yet. */
  readonly edgeUrlOf: (hostId: string | null) => string;
  /** A sandbox left a state: whoever remembers where it is must ask again. */
  readonly onMoved: (sandboxId: string) => void;
}
