/** Makes an API key; its secret is in the answer and nowhere else. */
import { problem } from "@daytonah/lib/problem.ts";
import { type ApiKeyRow, apiKeyOf, insertApiKey } from "../db/api-keys.ts";
import { takeKey } from "../db/idempotency.ts";
import type { Db, DbOrTx } from "../db/schema.ts";
import { hashOfSecret, newSecret, prefixOfSecret, type SecretFormat } from "../domain/api-key-secret.ts";
import { newApiKeyId } from "../domain/ids.ts";
import type { Scope } from "../domain/scope.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";

export interface CreateApiKeyInput {
  readonly orgId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly format: SecretFormat;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface CreatedApiKey {
  readonly row: ApiKeyRow;
  /** Empty on a replay. */
  readonly secret: string;
}

const rpc = "CreateApiKey";

export async function createApiKey(db: Db, input: CreateApiKeyInput): Promise<CreatedApiKey> {
  return db.transaction().execute(async (tx) => {
    const id = newApiKeyId();
    const { idempotencyKey, orgId, ...request } = input;
    if (idempotencyKey !== "") {
      const digest = digestOf(request);
      const taken = await takeKey(tx, { orgId, rpc, key: idempotencyKey, digest, resultId: id });
      if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
      if (taken.t === "replay") return { row: await replayed(tx, orgId, taken.resultId), secret: "" };
    }
    const secret = newSecret(input.format);
    return { row: await saveApiKey(tx, { id, secret, ...input }), secret };
  });
}

export async function saveApiKey(
  tx: DbOrTx,
  key: Pick<CreateApiKeyInput, "orgId" | "name" | "scopes"> & { readonly id: string; readonly secret: string },
): Promise<ApiKeyRow> {
  return insertApiKey(tx, {
    id: key.id,
    orgId: key.orgId,
    name: key.name,
    hash: hashOfSecret(key.secret),
    prefix: prefixOfSecret(key.secret),
    scopes: key.scopes,
  });
}

async function replayed(tx: DbOrTx, orgId: string, id: string): Promise<ApiKeyRow> {
  const row = await apiKeyOf(tx, orgId, id);
  if (!row) throw problem("INTERNAL", `The key ${id} has vanished.`);
  return row;
}
