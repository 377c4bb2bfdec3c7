/** VMs of warm pools: rows of sandboxes that are nobody's, from their fill to their claim or end. */
import { sql } from "kysely";
import type { Lifecycle } from "../domain/lifecycle.ts";
import type { Size } from "../domain/placement.ts";
import { claimEnd } from "./claims.ts";
import type { IdempotencyEntry } from "./idempotency.ts";
import type { PoolKey } from "./pools.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

export interface NewPoolVm {
  readonly id: string;
  readonly poolId: string;
  readonly template: string;
  readonly size: Size;
  readonly hostId: string;
  readonly hardwareIsolated: boolean;
}

/** The digest of the template on the host of the row `s`. */
const digestOnHost = sql`(select t ->> 'digest' from hosts h, jsonb_array_elements(h.templates) t
  where h.id = s.host_id and t ->> 'name' = s.template)`;

/** In state filling, claimed. Inside the transaction that keeps its room. */
export async function insertPoolVm(tx: DbOrTx, vm: NewPoolVm): Promise<SandboxRow> {
  const { rows } = await sql<SandboxRow>`
    insert into sandboxes (id, state, epoch, pool_id, template, template_digest, vcpus, memory_mib, disk_mib, metadata,
      host_id, hardware_isolated, keyed, claim_until)
    select s.id, 'filling', 1, ${vm.poolId}, s.template, ${digestOnHost}, ${vm.size.vcpus}::int,
      ${vm.size.memoryMib}::int, ${vm.size.diskMib}::int, '{}', s.host_id, ${vm.hardwareIsolated}::boolean, false, ${claimEnd}
    from (values (${vm.id}, ${vm.hostId}, ${vm.template})) as s (id, host_id, template)
    returning *`.execute(tx);
  return rows[0] as SandboxRow;
}

export interface PoolClaim extends PoolKey {
  readonly orgId: string;
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly lifecycle: Lifecycle;
  /** Undefined: none. */
  readonly key: Omit<IdempotencyEntry, "resultId"> | undefined;
  /** By the clock that demand is counted by. */
  readonly now: Date;
}

/**
 * Gives a VM that waits to a create, in one statement with its idempotency key, its event and the note of the demand:
 * pooled → creating, with a new epoch. Undefined where there is no such pool, it is empty, or the key was used before; then
 * nothing is changed, but that the create was one that found it empty. `skip locked`: two creates never wait for one VM.
 */
export async function claimPoolVm(db: DbOrTx, claim: PoolClaim): Promise<SandboxRow | undefined> {
  const { rows } = await claimQuery(claim).execute(db);
  return rows[0];
}

/** Exported for the test that looks at its plan. */
export function claimQuery(claim: PoolClaim) {
  const { key, lifecycle } = claim;
  const isUsed = key
    ? sql`(exists (select from idempotency where org_id = ${key.orgId} and rpc = ${key.rpc} and key = ${key.key})
        or not pg_try_advisory_xact_lock(hashtextextended(${`${key.orgId} ${key.rpc} ${key.key}`}, 0)))`
    : sql`false`;
  // Over its quota, the create goes on without the pool, and says so.
  const isAllowed = sql`exceeded_quota(${claim.orgId}, 1, ${claim.vcpus}, ${claim.memoryMib}) is null`;
  const taken = key
    ? sql`insert into idempotency (org_id, rpc, key, request_digest, result_id)
        select ${key.orgId}, ${key.rpc}, ${key.key}, ${key.digest}, id from picked where ${isAllowed}
        on conflict do nothing returning result_id as id`
    : sql`select id from picked where ${isAllowed}`;
  return sql<SandboxRow>`
    with pool as (
      select id from pools where template = ${claim.template} and vcpus = ${claim.vcpus}
        and memory_mib = ${claim.memoryMib} and disk_mib = ${claim.diskMib} and not ${isUsed}
    ), picked as (
      select s.id from pool join sandboxes s on s.pool_id = pool.id join hosts on hosts.id = s.host_id
      where s.state = 'pooled' and hosts.state = 'ready' and not hosts.draining and s.template_digest = ${digestOnHost}
      order by s.state_time limit 1 for no key update of s skip locked
    ), taken as (${taken}), claimed as (
      update sandboxes s set
        state = 'creating',
        org_id = ${claim.orgId},
        epoch = s.epoch + 1,
        env = ${JSON.stringify(claim.env)}::jsonb,
        metadata = ${JSON.stringify(claim.metadata)}::jsonb,
        keyed = ${key !== undefined},
        timeout_ms = ${lifecycle.timeoutMs}::bigint,
        end_time = clock_timestamp() + ${lifecycle.timeoutMs}::bigint * interval '1 ms',
        on_timeout = ${lifecycle.onTimeout},
        idle_timeout_ms = ${lifecycle.idleTimeoutMs}::bigint,
        auto_resume = ${lifecycle.autoResume},
        create_time = clock_timestamp(),
        state_time = clock_timestamp(),
        claim_until = ${claimEnd}
      from taken where s.id = taken.id
      returning s.*
    ), told as (
      insert into events (org_id, sandbox_id, kind, epoch, data)
      select org_id, id, 'sandbox.creating', epoch, '{}' from claimed
    ), noted as (
      insert into pool_demand (pool_id, time, hit) select id, ${claim.now}, exists (select from claimed) from pool
    )
    select * from claimed`;
}

/**
 * The VM that was claimed is no more: the create goes on with a new one, under the same id and a new epoch. Undefined where
 * someone else was faster.
 */
export async function startAnew(
  db: DbOrTx,
  { id, epoch }: Pick<SandboxRow, "id" | "epoch">,
): Promise<SandboxRow | undefined> {
  const { rows } = await sql<SandboxRow>`
    update sandboxes set state = 'creating', epoch = epoch + 1, pool_id = null, claim_until = ${claimEnd}
    where id = ${id} and epoch = ${epoch} and state = 'creating' and pool_id is not null
    returning *`.execute(db); // naming the state lets count_host_load count the disk that is to be made
  return rows[0];
}

/**
 * Ends the VMs that no create is to get: those of pools that are gone, of hosts that are drained, of a template that has
 * changed since. The loop finish-deletes does the rest.
 */
export async function drainPoolVms(db: DbOrTx): Promise<number> {
  const { numAffectedRows } = await sql`
    update sandboxes s set state = 'deleting', state_time = clock_timestamp(), claim_until = clock_timestamp()
    from hosts
    where s.state in ('filling', 'pooled') and hosts.id = s.host_id
      and (not exists (select from pools where pools.id = s.pool_id) or hosts.draining
        or s.template_digest is distinct from ${digestOnHost})`.execute(db);
  return Number(numAffectedRows ?? 0n);
}

/** Ends the ones that have waited longest. */
export async function shrinkPool(db: DbOrTx, poolId: string, count: number): Promise<void> {
  if (count <= 0) return;
  await sql`
    update sandboxes set state = 'deleting', state_time = clock_timestamp(), claim_until = clock_timestamp()
    where id in (select id from sandboxes where pool_id = ${poolId} and state = 'pooled'
      order by state_time limit ${count} for no key update skip locked)`.execute(db);
}

/** Of one that was never claimed, after its VM is gone, or where it turns out to be somebody's: nobody ever knew its id. */
export async function forgetPoolVm(db: DbOrTx, { id, epoch, state }: SandboxRow): Promise<void> {
  await db
    .deleteFrom("sandboxes")
    .where("id", "=", id)
    .where("epoch", "=", epoch)
    .where("state", "=", state)
    .where("org_id", "is", null)
    .execute();
}
