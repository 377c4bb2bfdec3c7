/**
 * Who calls, and what the call is for, in one indexed query each: asked at every call, so that a revoked key and a
 * deleted sandbox are refused at once. Prepared by name on each connection.
 */
import type pg from "pg";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { Scope } from "../domain/scope.ts";

export interface Caller {
  readonly orgId: string;
  readonly keyId: string;
  readonly scopes: readonly Scope[];
}

export interface Route {
  readonly sandboxId: string;
  /** Null: it is a pool's. */
  readonly orgId: string | null;
  readonly state: SandboxState;
  readonly epoch: string;
  readonly hostId: string | null;
  readonly tokenGeneration: number;
  readonly failureReason: string | null;
  readonly publicPorts: readonly number[];
  readonly autoResume: boolean;
  /** It moves to another host. */
  readonly moving: boolean;
}

const columnsOfRoute =
  "s.id, s.state, s.epoch, s.host_id, s.token_generation, s.failure_reason, s.public_ports, s.auto_resume, s.transfer is not null, s.org_id";

export async function callerByHash(pool: pg.Pool, hash: Buffer): Promise<Caller | undefined> {
  const { rows } = await pool.query({
    name: "caller_by_hash",
    text: "select org_id, id, scopes from api_keys where hash = $1 and revoke_time is null",
    values: [hash],
    rowMode: "array",
  });
  return rows[0] && callerOf(rows[0]);
}

/** The caller, and the route where the sandbox is of the caller's organization. */
export async function callerAndRoute(
  pool: pg.Pool,
  hash: Buffer,
  sandboxId: string,
): Promise<{ readonly caller: Caller; readonly route: Route | undefined } | undefined> {
  const { rows } = await pool.query({
    name: "caller_and_route",
    text: `select k.org_id, k.id, k.scopes, ${columnsOfRoute} from api_keys k
      left join sandboxes s on s.id = $2 and s.org_id = k.org_id
      where k.hash = $1 and k.revoke_time is null`,
    values: [hash, sandboxId],
    rowMode: "array",
  });
  return rows[0] && { caller: callerOf(rows[0]), route: routeOf(rows[0].slice(3)) };
}

/** For the holder of a sandbox's own token, who is of no organization. */
export async function routeById(pool: pg.Pool, sandboxId: string): Promise<Route | undefined> {
  const { rows } = await pool.query({
    name: "route_by_id",
    text: `select ${columnsOfRoute} from sandboxes s where s.id = $1`,
    values: [sandboxId],
    rowMode: "array",
  });
  return rows[0] && routeOf(rows[0]);
}

type Cells = readonly unknown[];

function callerOf(cells: Cells): Caller {
  return { orgId: cells[0] as string, keyId: cells[1] as string, scopes: cells[2] as Scope[] };
}

function routeOf(cells: Cells): Route | undefined {
  if (cells[0] === null) return undefined;
  return {
    sandboxId: cells[0] as string,
    state: cells[1] as SandboxState,
    epoch: cells[2] as string,
    hostId: cells[3] as string | null,
    tokenGeneration: cells[4] as number,
    failureReason: cells[5] as string | null,
    publicPorts: cells[6] as number[],
    autoResume: cells[7] as boolean,
    moving: cells[8] as boolean,
    orgId: cells[9] as string | null,
  };
}
