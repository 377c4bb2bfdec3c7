/** Keeps the claims on what this server works on. */
import { renewClaims } from "../db/claims.ts";
import { renewSnapshotClaims } from "../db/snapshot-claims.ts";
import { renewSnapshotTransferClaims } from "../db/snapshot-transfers.ts";
import { renewTransferClaims } from "../db/transfers.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

const renewals = [renewClaims, renewSnapshotClaims, renewTransferClaims, renewSnapshotTransferClaims];

export function createRenewClaims(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "renew-claims", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, async () => {
        for (const renew of renewals) await renew(deps.db, deps.claims.ids());
      }),
  };
}
