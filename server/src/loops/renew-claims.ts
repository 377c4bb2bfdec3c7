/** Keeps the claims on what this server works on. */
import { renewClaims, sandboxMoves, snapshotMoves, snapshotTransfers, transfers } from "../db/claims.ts";
import type { ServiceDeps } from "../services/deps.ts";

const kinds = [sandboxMoves, snapshotMoves, transfers, snapshotTransfers];

export async function renewHeldClaims(deps: ServiceDeps): Promise<void> {
  for (const kind of kinds) await renewClaims(deps.db, kind, deps.claims.ids());
}
