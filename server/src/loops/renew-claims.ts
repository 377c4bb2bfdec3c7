/** Keeps the claims on what this server works on. */
import { renewClaims } from "../db/claims.ts";
import { renewSnapshotClaims } from "../db/snapshot-claims.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

export function createRenewClaims(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "renew-claims", everyMs: 1_000, clock: deps.clock, log: deps.log, signal }, async () => {
        await renewClaims(deps.db, deps.claims.ids());
        await renewSnapshotClaims(deps.db, deps.claims.ids());
      }),
  };
}
