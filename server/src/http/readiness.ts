/** Whether this server can do its work, part by part. */
import type pg from "pg";
import type { HostStatuses } from "../loops/host-statuses.ts";

export interface Readiness {
  readonly ready: boolean;
  readonly parts: Readonly<Record<"database" | "migrations" | "hosts", PartState>>;
}

export interface PartState {
  readonly ok: boolean;
  readonly detail: string;
}

export interface ReadinessOptions {
  readonly pool: pg.Pool;
  readonly isPrepared: () => boolean;
  readonly statuses: HostStatuses;
}

export async function readReadiness({ pool, isPrepared, statuses }: ReadinessOptions): Promise<Readiness> {
  const database = await pool.query("select 1").then(
    () => ({ ok: true, detail: "answers" }),
    () => ({ ok: false, detail: "does not answer" }),
  );
  const prepared = isPrepared();
  const connected = [...statuses.values()].filter((status) => status.connected).length;
  const parts = {
    database,
    migrations: { ok: prepared, detail: prepared ? "done" : "not done" },
    // A platform without hosts waits for the first to join.
    hosts: { ok: connected > 0 || statuses.size === 0, detail: `${connected} of ${statuses.size} connected` },
  };
  return { ready: Object.values(parts).every(({ ok }) => ok), parts };
}
