/** The sandbox that a link is asked for, by an API key of its organization or by its own access token. */
import type { HandlerContext } from "@connectrpc/connect";
import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import { type SandboxRow, sandboxById, sandboxOf } from "../db/sandboxes.ts";
import { isAccessTokenOf } from "../domain/access-token.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { sandboxNotFound } from "../services/sandbox-problems.ts";
import { accessTokenIn, callerOf } from "./admit.ts";

export async function linkSandbox(
  { db, tokenKey }: ServiceDeps,
  context: HandlerContext,
  sandboxId: string,
): Promise<SandboxRow> {
  const token = accessTokenIn(context);
  if (token === undefined) {
    const row = await sandboxOf(db, callerOf(context).orgId, sandboxId);
    if (row && row.state !== "deleted") return row;
    throw sandboxNotFound(sandboxId);
  }
  const row = await sandboxById(db, sandboxId);
  const genuine = row && isAccessTokenOf(token, tokenKey, sandboxId, row.token_generation);
  if (!genuine) throw accessTokenInvalid();
  if (row.state === "deleted") throw sandboxNotFound(sandboxId);
  return row;
}
