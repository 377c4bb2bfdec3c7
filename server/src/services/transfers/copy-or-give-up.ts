/** Copies a sandbox or a snapshot off its host, and notes there how that ended. */
import { problemOf } from "@daytonah/lib/problem.ts";
import { noteObstacle } from "../../db/drains.ts";
import type { SandboxRow } from "../../db/sandboxes.ts";
import type { SnapshotRow } from "../../db/snapshots.ts";
import { forgetTransferFailures, noteTransferFailed } from "../../db/transfer-failures.ts";
import type { ServiceDeps } from "../deps.ts";

interface Copying<Row> {
  /** As it is on the other host. Undefined where someone else was faster, or there is nothing to move. */
  copy(deps: ServiceDeps, row: Row): Promise<Row | undefined>;
  /** As it stays where it was. */
  giveUp(db: ServiceDeps["db"], row: Row): Promise<Row | undefined>;
}

/** As it lands: there, or where it was. `what` names it in logs. */
export async function copyOrGiveUp<Row extends SandboxRow | SnapshotRow>(
  deps: ServiceDeps,
  row: Row,
  what: { readonly [kind: string]: string },
  { copy, giveUp }: Copying<Row>,
): Promise<Row | undefined> {
  const { id, host_id: from, transfer_host_id: to } = row;
  try {
    const copied = await copy(deps, row);
    if (!copied) return undefined;
    deps.log.info("transfer.done", { ...what, from, to });
    await forgetTransferFailures(deps.db, id);
    await noteObstacle(deps.db, from ?? "", undefined);
    return copied;
  } catch (error) {
    const why = problemOf(error);
    if (!why) throw error; // of the database, say: it goes on
    deps.log.warn("transfer.given_up", { ...what, from, to, error: why });
    await noteTransferFailed(deps.db, id);
    await noteObstacle(deps.db, from ?? "", why);
    return giveUp(deps.db, row);
  }
}
