/** The sandbox that a link is asked for, by an API key of its organization or by its own access token. */
import type { HandlerContext } from "@connectrpc/connect";
import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import { type SandboxRow, sandboxById, sandboxOf } from "../db/sandboxes.ts";
import { isAccessTokenOf } from "../domain/access-token.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { sandboxNotFound } from "../services/sandbox-problems.ts";
import { callerOf, tokenHolderOf } from "./admit.ts";

export async function linkSandbox(
  { db, tokenKey }: ServiceDeps,
  context: HandlerContext,
  sandboxId: string,
): Promise<SandboxRow> {
  const holder = tokenHolderOf(context);
  if (!holder) {
    const row = await sandboxOf(db, callerOf(context).orgId, sandboxId);
    if (row && row.state !== "deleted") return row;
    throw sandboxNotFound(sandboxId);
  }
  const row = await holder.lookup(sandboxId, () => sandboxById(db, sandboxId));
  const genuine = row && isAccessTokenOf(holder.token, tokenKey, sandboxId, row.token_generation);
  if (!genuine || row.org_id === null) throw accessTokenInvalid();
  holder.count(row.org_id);
  if (row.state === "deleted") throw sandboxNotFound(sandboxId);
  return row;
}
