/** The one way to move a sandbox from state to state. */
import { sql } from "kysely";
import { isClaimed, type SandboxState, sourcesOf } from "../domain/sandbox-state.ts";
import { claimEnd } from "./claims.ts";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

export interface Failure {
  readonly reason: string;
  readonly message: string;
}

export type Move = {
  readonly id: string;
  /** Of the row before. */
  readonly epoch: string;
  /** Only from these of the table's sources. */
  readonly from?: readonly SandboxState[];
  /** The host's, which the row takes over. */
  readonly hostEpoch?: bigint;
} & (
  | { readonly to: "failed"; readonly failure: Failure }
  | { readonly to: "paused"; readonly memoryKept: boolean }
  /** Begins a new epoch and its time anew; `timeoutMs`: another one from now on. */
  | {
      readonly to: "resuming";
      readonly timeoutMs?: number | undefined;
      readonly rollBackTo?: string;
      /** It was paused to be moved to another host: of its time only that is not counted. */
      readonly keepsTime?: boolean;
    }
  /** `rolledBackTo`: it runs as it was then. */
  | { readonly to: "running"; readonly rolledBackTo?: string | null }
  /** `keepMs`: how long its host keeps what it has; nothing is kept of what never ran. */
  | { readonly to: "deleting"; readonly keepMs?: number }
  /** `kept`: what its host has of it until purge_time. */
  | { readonly to: "deleted"; readonly kept?: { readonly memoryKept: boolean } | undefined }
  | { readonly to: Exclude<SandboxState, "failed" | "paused" | "resuming" | "running" | "deleting" | "deleted"> }
);

/**
 * Compare-and-set: the row after the move, or undefined where it was in no state (of `from`, within the table) that
 * allows it, or of another epoch. Then someone else was faster: read again, then decide.
 */
export async function moveSandbox(db: DbOrTx, move: Move): Promise<SandboxRow | undefined> {
  const sources = sourcesOf(move.to).filter((from) => move.from?.includes(from) ?? true);
  const failure = move.to === "failed" ? move.failure : undefined;
  const timeout = (move.to === "resuming" ? move.timeoutMs : undefined) ?? sql`timeout_ms`;
  const anew = timeBeginsAnew(move.to);
  const rolledBackTo = move.to === "running" ? (move.rolledBackTo ?? null) : null;
  // One statement, so that the row and its event need no transaction of their own.
  const { rows } = await sql<SandboxRow>`
    with moved as (
      update sandboxes set
        state = ${move.to},
        state_time = clock_timestamp(),
        epoch = ${epochAfter(move)},
        failure_reason = ${failure?.reason ?? null},
        failure_message = ${failure?.message ?? null},
        host_id = ${hostAfter(move)},
        env = null,
        memory_kept = ${memoryAfter(move) ?? sql`memory_kept`},
        purge_time = ${purgeTimeAfter(move)},
        timeout_ms = ${timeout},
        end_time = case when ${anew} then ${endAfter(move, timeout)} else end_time end,
        lifecycle_version = lifecycle_version + case when ${anew} or ${wakingChanges(move.to)} then 1 else 0 end,
        access_told = case when ${toldByStart(move)} then access_version else access_told end,
        lifecycle_told = case when ${toldByStart(move)} then lifecycle_version else lifecycle_told end,
        roll_back_to = ${move.to === "resuming" ? (move.rollBackTo ?? null) : null},
        transfer = ${transferAfter(move.to)},
        transfer_resume = ${transferResumeAfter(move.to)},
        snapshot_id = coalesce(${rolledBackTo}, snapshot_id),
        claim_until = ${isClaimed(move.to) ? claimEnd : sql`null`}
      where id = ${move.id} and epoch = ${move.epoch} and state = any(${sources as SandboxState[]})
      returning *
    ), told as (
      insert into events (org_id, sandbox_id, kind, epoch, data)
      select org_id, id, 'sandbox.' || state, epoch, ${JSON.stringify(failure ? { reason: failure.reason } : {})}::jsonb
      from moved where org_id is not null
      union all
      select org_id, id, 'sandbox.rolled_back', epoch, jsonb_build_object('snapshot_id', snapshot_id)
      from moved where ${rolledBackTo}::text is not null
    )
    select * from moved`.execute(db);
  return rows[0];
}

function epochAfter(move: Move) {
  if (move.hostEpoch !== undefined) return sql`${move.hostEpoch}::bigint`;
  return move.to === "resuming" ? sql`epoch + 1` : sql`epoch`;
}

/** A sandbox that never ran has nothing on its host that is worth keeping: docs/sandbox-life.md. */
function hostAfter(move: Move) {
  if (move.to === "deleted" && !move.kept) return sql`null`;
  return move.to === "failed" ? sql`case when state = 'creating' then null else host_id end` : sql`host_id`;
}

function memoryAfter(move: Move): boolean | undefined {
  if (move.to === "deleted") return move.kept?.memoryKept ?? false;
  return move.to === "paused" ? move.memoryKept : undefined;
}

function purgeTimeAfter(move: Move) {
  if (move.to === "deleted") return move.kept ? sql`purge_time` : sql`null`;
  if (move.to !== "deleting" || !move.keepMs) return sql`null`;
  const end = sql`clock_timestamp() + ${move.keepMs}::bigint * interval '1 ms'`;
  return sql`case when state <> 'creating' and host_id is not null then ${end} end`;
}

function endAfter(move: Move, timeout: unknown) {
  const keeps = move.to === "resuming" && move.keepsTime === true;
  return keeps
    ? sql`end_time + (clock_timestamp() - state_time)`
    : sql`clock_timestamp() + ${timeout} * interval '1 ms'`;
}

/** A delete wins over a move to another host: there is a copy to be removed. One that runs again has arrived. */
function transferAfter(to: SandboxState) {
  if (to === "deleting") return sql`case when transfer in ('copying', 'landing') then 'landing' end`;
  return to === "running" ? sql`nullif(transfer, 'resuming')` : sql`transfer`;
}

function transferResumeAfter(to: SandboxState) {
  if (to === "deleting") return sql`false`;
  return to === "running" ? sql`transfer_resume and transfer <> 'resuming'` : sql`transfer_resume`;
}

/** Nothing wakes what is deleted, until that is taken back. */
function wakingChanges(to: SandboxState) {
  if (to === "deleting") return sql`true`;
  return to === "paused" ? sql`state = 'deleted'` : sql`false`;
}

/** At a resume, also where the host woke it by itself. */
function timeBeginsAnew(to: SandboxState) {
  if (to === "resuming") return sql`true`;
  return to === "running" ? sql`state in ('paused', 'failed')` : sql`false`;
}

/** ResumeVm carries both, and neither can be changed meanwhile. */
function toldByStart(move: Move) {
  return move.to === "running" && move.hostEpoch === undefined ? sql`state = 'resuming'` : sql`false`;
}
