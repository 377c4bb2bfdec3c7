/** Moves what is on draining hosts to others, and finishes the moves that a server left when it died. */
import { snapshotTransfers, takeAbandoned, transfersAtRest } from "../db/claims.ts";
import { drainingHosts } from "../db/drains.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { beginTransfer } from "../services/transfers/begin-transfer.ts";
import { runTransfer } from "../services/transfers/run-transfer.ts";
import { beginSnapshotTransfer, runSnapshotTransfer } from "../services/transfers/transfer-snapshot.ts";

export async function drainHosts(deps: ServiceDeps): Promise<void> {
  const held = deps.claims.ids();
  for (const row of await takeAbandoned(deps.db, transfersAtRest, 50, held)) {
    later(deps, row.id, runTransfer(deps, row));
  }
  for (const row of await takeAbandoned(deps.db, snapshotTransfers, 50, held)) {
    later(deps, row.id, runSnapshotTransfer(deps, row));
  }
  for (const hostId of await drainingHosts(deps.db)) {
    for (let row = await beginTransfer(deps, hostId); row; row = await beginTransfer(deps, hostId)) {
      later(deps, row.id, runTransfer(deps, row));
    }
    for (let row = await beginSnapshotTransfer(deps, hostId); row; row = await beginSnapshotTransfer(deps, hostId)) {
      later(deps, row.id, runSnapshotTransfer(deps, row));
    }
  }
}

function later(deps: ServiceDeps, id: string, work: Promise<void>): void {
  void deps.background.run(work).catch((error: unknown) => deps.log.debug("transfer.delayed", { id, error }));
}
