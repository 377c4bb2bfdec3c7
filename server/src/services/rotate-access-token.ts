/** Ends a sandbox's access token, and all links that were signed by it. */
import { raiseTokenGeneration } from "../db/access.ts";
import { accessTokenOf } from "../domain/access-token.ts";
import { type AccessChange, changeAccess } from "./change-access.ts";
import type { ServiceDeps } from "./deps.ts";

export interface RotateAccessTokenInput {
  readonly orgId: string;
  readonly sandboxId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

/** The new token; a repeat gets the one that the first made. Nobody gets in by the old one any more. */
export async function rotateAccessToken(
  deps: ServiceDeps,
  input: RotateAccessTokenInput,
  signal: AbortSignal,
): Promise<string> {
  const change: AccessChange = {
    ...input,
    rpc: "RotateAccessToken",
    request: {},
    resultOf: (row) => String(row.token_generation + 1),
    apply: (tx, row) => raiseTokenGeneration(tx, row.id),
  };
  const { result: generation } = await changeAccess(deps, change, signal);
  return accessTokenOf(deps.tokenKey, input.sandboxId, Number(generation));
}
