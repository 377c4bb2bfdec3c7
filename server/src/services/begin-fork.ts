/** Decides a fork: the snapshot's row and one for each child that there is room for, in one transaction. */
import { type Problem, problemOf } from "@daytonah/lib/problem.ts";
import { insertSandbox, noteForked, type SandboxRow } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import type { SnapshotRow } from "../db/snapshots.ts";
import { newSandboxId } from "../domain/ids.ts";
import { type BegunSnapshot, beginSnapshot } from "./begin-snapshot.ts";
import type { ServiceDeps } from "./deps.ts";
import type { ForkSandboxInput } from "./fork-sandbox.ts";
import { place } from "./place.ts";
import { requireQuota } from "./require-quota.ts";
import { placementOf } from "./source-of.ts";

export interface NewChildren {
  readonly rows: readonly SandboxRow[];
  /** For those that there was no room for. */
  readonly refused: readonly Problem[];
}

export function beginFork(
  deps: ServiceDeps,
  input: ForkSandboxInput,
  signal: AbortSignal,
): Promise<BegunSnapshot<NewChildren>> {
  const { orgId, sandboxId, idempotencyKey, ...request } = input;
  const call = {
    orgId,
    sandboxId,
    idempotencyKey,
    rpc: "ForkSandbox",
    request,
    name: "",
    metadata: {},
    internal: true,
  };
  return beginSnapshot(deps, call, signal, async (tx, snapshot, parent) => {
    const children = await insertChildren(tx, input, snapshot);
    await noteForked(tx, orgId, parent, children.rows.length);
    return children;
  });
}

/** Where not even one fits, nothing is begun. */
async function insertChildren(tx: DbOrTx, input: ForkSandboxInput, snapshot: SnapshotRow): Promise<NewChildren> {
  const { orgId, count, metadata, env, lifecycle } = input;
  const { template, keyed } = snapshot;
  const origin = { parentId: snapshot.sandbox_id, snapshotId: snapshot.id, forked: true };
  const rows: SandboxRow[] = [];
  while (rows.length < count) {
    try {
      const placement = placementOf(snapshot);
      await requireQuota(tx, orgId, { ...placement, sandboxes: 1 });
      const { size, ...host } = await place(tx, placement);
      const child = { id: newSandboxId(), orgId, template, ...size, metadata, env, ...host, keyed, lifecycle, origin };
      rows.push(await insertSandbox(tx, child));
    } catch (error) {
      const why = problemOf(error);
      const isFull = why?.reason === "NO_CAPACITY" || why?.reason === "QUOTA_EXCEEDED";
      if (!isFull || rows.length === 0) throw error;
      return { rows, refused: Array.from({ length: count - rows.length }, () => why) };
    }
  }
  return { rows, refused: [] };
}
