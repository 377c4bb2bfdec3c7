/** Keeps the claims on what this server works on. */
import { renewClaims, sandboxMoves, snapshotMoves, snapshotTransfers, transfers } from "../db/claims.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

const kinds = [sandboxMoves, snapshotMoves, transfers, snapshotTransfers];

export function createRenewClaims(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "renew-claims", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, async () => {
        for (const kind of kinds) await renewClaims(deps.db, kind, deps.claims.ids());
      }),
  };
}
