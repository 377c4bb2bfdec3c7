/** Decides that a snapshot is taken, in one transaction with its idempotency key and whatever hangs on it. */
import { problem } from "@daytonah/lib/problem.ts";
import { lockSandbox } from "../db/access.ts";
import { takeKey } from "../db/idempotency.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { insertSnapshot, type SnapshotRow } from "../db/snapshots.ts";
import { newSnapshotId } from "../domain/ids.ts";
import { awaitSettled } from "./await-settled.ts";
import { Busy, unlessBusy } from "./busy.ts";
import type { ServiceDeps } from "./deps.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { notMovable, sandboxNotFound } from "./sandbox-problems.ts";
import { whileBusy } from "./while-busy.ts";

export interface SnapshotCall {
  readonly orgId: string;
  readonly sandboxId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  readonly rpc: string;
  /** What makes this request another one than the next. */
  readonly request: unknown;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly internal: boolean;
  /** That is to stand on it. */
  readonly template?: { readonly name: string; readonly description: string };
}

export type BegunSnapshot<T> =
  | { readonly t: "new"; readonly snapshot: SnapshotRow; readonly also: T }
  | { readonly t: "replay"; readonly snapshotId: string };

/** How long one waits for another snapshot of the same sandbox. */
const patienceMs = 60_000;

/** `also` does what belongs to it in the same transaction. */
export async function beginSnapshot<T>(
  deps: ServiceDeps,
  call: SnapshotCall,
  signal: AbortSignal,
  also: (tx: DbOrTx, snapshot: SnapshotRow, sandbox: SandboxRow) => Promise<T>,
): Promise<BegunSnapshot<T>> {
  const waitingSince = deps.clock.now();
  return whileBusy(deps.clock, signal, async () => {
    const begun = await deps.db
      .transaction()
      .execute((tx) => attempt(tx, call, also))
      .catch(unlessBusy);
    if (begun !== "busy") return begun;
    if (deps.clock.now() - waitingSince > patienceMs) {
      throw problem("SANDBOX_STATE_CONFLICT", `Another snapshot of the sandbox ${call.sandboxId} is being taken.`, {
        metadata: { sandbox_id: call.sandboxId },
        retryDelayMs: 5_000,
      });
    }
    await awaitSettled(deps, call.sandboxId, signal);
    return "busy";
  });
}

async function attempt<T>(
  tx: DbOrTx,
  call: SnapshotCall,
  also: (tx: DbOrTx, snapshot: SnapshotRow, sandbox: SandboxRow) => Promise<T>,
): Promise<BegunSnapshot<T>> {
  const { orgId, sandboxId, idempotencyKey, rpc, request, name, metadata, internal, template } = call;
  const id = newSnapshotId();
  const keyed = idempotencyKey !== "";
  if (keyed) {
    const digest = digestOf({ sandboxId, request });
    const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId: id });
    if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
    if (taken.t === "replay") return { t: "replay", snapshotId: taken.resultId };
  }
  // Locked, so that no move to another host begins meanwhile.
  const sandbox = await lockSandbox(tx, orgId, sandboxId);
  if (!sandbox) throw sandboxNotFound(sandboxId);
  const { state, host_id, transfer } = sandbox;
  if (state === "creating" || state === "pausing" || state === "resuming" || transfer !== null) throw new Busy();
  if ((state !== "running" && state !== "paused") || host_id === null) throw notMovable(sandbox, "be snapshotted");
  const snapshot = await insertSnapshot(
    tx,
    { ...sandbox, org_id: orgId, host_id },
    { id, name, metadata, internal, keyed, template },
  );
  if (!snapshot) throw new Busy();
  return { t: "new", snapshot, also: await also(tx, snapshot, sandbox) };
}
