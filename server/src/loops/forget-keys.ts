/** Drops idempotency keys after their day. */
import { forgetOldKeys } from "../db/idempotency.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { repeat } from "./repeat.ts";

export function createForgetKeys(deps: ServiceDeps) {
  return {
    run: ({ signal }: { readonly signal: AbortSignal }) =>
      repeat({ name: "forget-keys", everyMs: 10 * 60_000, clock: deps.clock, log: deps.log, signal }, () =>
        forgetOldKeys(deps.db),
      ),
  };
}
