/** Warm pools: their policies, how full they are, and what was asked of them. */
import { type Selectable, sql } from "kysely";
import type { Size } from "../domain/placement.ts";
import type { DbOrTx, Tables } from "./schema.ts";

export type PoolRow = Selectable<Tables["pools"]>;

/** Which creates a pool serves. `diskMib` 0: the template's own. */
export interface PoolKey extends Size {
  readonly template: string;
}

export interface NewPool extends PoolKey {
  readonly id: string;
  readonly minReady: number;
  readonly maxReady: number;
  readonly demandWindowMs: number;
}

/** Where there is one of this key, its policy is changed. */
export async function savePool(db: DbOrTx, pool: NewPool): Promise<PoolRow> {
  const policy = { min_ready: pool.minReady, max_ready: pool.maxReady, demand_window_ms: pool.demandWindowMs };
  return db
    .insertInto("pools")
    .values({
      ...{
        id: pool.id,
        template: pool.template,
        vcpus: pool.vcpus,
        memory_mib: pool.memoryMib,
        disk_mib: pool.diskMib,
      },
      ...policy,
    })
    .onConflict((conflict) =>
      conflict
        .columns(["template", "vcpus", "memory_mib", "disk_mib"])
        .doUpdateSet({ ...policy, fill_after: sql`clock_timestamp()` }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Its VMs are then no pool's, and drainPoolVms takes them. */
export async function deletePool(db: DbOrTx, key: PoolKey): Promise<boolean> {
  const row = await db
    .deleteFrom("pools")
    .where("template", "=", key.template)
    .where("vcpus", "=", key.vcpus)
    .where("memory_mib", "=", key.memoryMib)
    .where("disk_mib", "=", key.diskMib)
    .returning("id")
    .executeTakeFirst();
  return row !== undefined;
}

export async function poolIds(db: DbOrTx): Promise<readonly string[]> {
  const rows = await db.selectFrom("pools").select("id").orderBy("id").execute();
  return rows.map(({ id }) => id);
}

/** Undefined where another server is at it, it is gone, or its last VM did not come up just now. Inside a transaction. */
export async function lockPoolToFill(tx: DbOrTx, id: string): Promise<PoolRow | undefined> {
  return tx
    .selectFrom("pools")
    .selectAll()
    .where("id", "=", id)
    .where("fill_after", "<=", sql<Date>`clock_timestamp()`)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
}

/** A VM did not come up: the next would not either. */
export async function holdPool(db: DbOrTx, id: string, ms: number): Promise<void> {
  await db
    .updateTable("pools")
    .set({ fill_after: sql<Date>`clock_timestamp() + make_interval(secs => ${ms / 1000})` })
    .where("id", "=", id)
    .execute();
}

export interface PoolLevel {
  readonly pool: PoolRow;
  /** Those on a host that is silent can't be handed out: others take their place meanwhile. */
  readonly ready: number;
  readonly filling: number;
  /** Creates within its window. */
  readonly demand: number;
  readonly hits: number;
  readonly misses: number;
}

/** Of one, or of all by template and size. `now`: the clock that demand was noted by. */
export async function poolLevels(db: DbOrTx, now: Date, id?: string): Promise<readonly PoolLevel[]> {
  const rows = await db
    .selectFrom("pools as p")
    .selectAll("p")
    .select([
      sql<number>`(select count(*)::int from sandboxes s join hosts h on h.id = s.host_id
        where s.pool_id = p.id and s.state = 'pooled' and h.state = 'ready')`.as("ready"),
      sql<number>`(select count(*)::int from sandboxes s where s.pool_id = p.id and s.state = 'filling')`.as("filling"),
      sql<number>`(select count(*)::int from pool_demand d
        where d.pool_id = p.id and d.time > ${now}::timestamptz - p.demand_window_ms * interval '1 ms')`.as("demand"),
      sql<number>`(p.hits + (select count(*) from pool_demand d where d.pool_id = p.id and d.hit))::float8`.as(
        "all_hits",
      ),
      sql<number>`(p.misses + (select count(*) from pool_demand d where d.pool_id = p.id and not d.hit))::float8`.as(
        "all_misses",
      ),
    ])
    .$if(id !== undefined, (query) => query.where("p.id", "=", id as string))
    .orderBy("template")
    .orderBy("vcpus")
    .orderBy("memory_mib")
    .orderBy("disk_mib")
    .execute();
  return rows.map(({ ready, filling, demand, all_hits: hits, all_misses: misses, ...pool }) => ({
    ...{ pool, ready, filling, demand, hits, misses },
  }));
}

/** Demand that has left its pool's window becomes two numbers. */
export async function sumUpDemand(db: DbOrTx, now: Date): Promise<void> {
  await sql`
    with gone as (
      delete from pool_demand d using pools p
      where p.id = d.pool_id and d.time <= ${now}::timestamptz - p.demand_window_ms * interval '1 ms'
      returning d.pool_id, d.hit
    ), sums as (
      select pool_id, count(*) filter (where hit) as hits, count(*) filter (where not hit) as misses from gone group by pool_id
    )
    update pools p set hits = p.hits + sums.hits, misses = p.misses + sums.misses from sums where p.id = sums.pool_id`.execute(
    db,
  );
}
