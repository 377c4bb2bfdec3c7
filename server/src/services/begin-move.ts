/** Decides the next move of one sandbox, in one transaction with its idempotency key. */
import { lockSandbox } from "../db/access.ts";
import { forgetKey, takeKey } from "../db/idempotency.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { awaitSettled } from "./await-settled.ts";
import { Busy, unlessBusy } from "./busy.ts";
import type { ServiceDeps } from "./deps.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { sandboxNotFound } from "./sandbox-problems.ts";

export interface MoveCall {
  readonly orgId: string;
  readonly sandboxId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface MoveDecision {
  readonly rpc: string;
  /** What makes this request another one than the next. */
  readonly request: unknown;
  /** Moves the locked row and answers with it, or says that nothing is to be done, or that another's move must end first. */
  readonly decide: (tx: DbOrTx, row: SandboxRow) => Promise<SandboxRow | "as it should be" | "wait">;
}

/** `ours`: the row after our move, claimed. Otherwise the row as it is: nothing was to be done, or the key was used before. */
export interface BegunMove {
  readonly ours: boolean;
  readonly row: SandboxRow;
}

export async function beginMove(
  deps: ServiceDeps,
  call: MoveCall,
  decision: MoveDecision,
  signal: AbortSignal,
): Promise<BegunMove> {
  for (;;) {
    const begun = await deps.db
      .transaction()
      .execute((tx) => attempt(tx, call, decision))
      .catch(unlessBusy);
    deps.onMoved(call.sandboxId);
    if (begun !== "busy" && begun !== "replay") return begun;
    const row = await awaitSettled(deps, call.sandboxId, signal);
    if (!row || row.org_id !== call.orgId || row.state === "deleted") throw sandboxNotFound(call.sandboxId);
    if (begun === "replay") return { ours: false, row };
  }
}

/** What came of the call is not what its key stands for: the same request may try again. */
export async function undoKey(deps: ServiceDeps, call: MoveCall, rpc: string): Promise<void> {
  if (call.idempotencyKey !== "") await forgetKey(deps.db, { orgId: call.orgId, rpc, key: call.idempotencyKey });
}

async function attempt(tx: DbOrTx, call: MoveCall, decision: MoveDecision): Promise<BegunMove | "replay"> {
  const { orgId, sandboxId, idempotencyKey } = call;
  const { rpc, request, decide } = decision;
  if (idempotencyKey !== "") {
    const digest = digestOf({ sandboxId, request });
    const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId: sandboxId });
    if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
    if (taken.t === "replay") return "replay";
  }
  const row = await lockSandbox(tx, orgId, sandboxId);
  if (!row) throw sandboxNotFound(sandboxId);
  if (row.transfer !== null) throw new Busy(); // to another host
  const decided = await decide(tx, row);
  if (decided === "wait") throw new Busy();
  return decided === "as it should be" ? { ours: false, row } : { ours: true, row: decided };
}
