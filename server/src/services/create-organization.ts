/** Makes an organization with its first key. */
import { problem } from "@daytonah/lib/problem.ts";
import { takeKey } from "../db/idempotency.ts";
import { insertOrganization, type OrganizationRow, organizationById } from "../db/organizations.ts";
import type { Db } from "../db/schema.ts";
import { newSecret } from "../domain/api-key-secret.ts";
import { newApiKeyId, newOrganizationId } from "../domain/ids.ts";
import { organizationScopes } from "../domain/scope.ts";
import { saveApiKey } from "./create-api-key.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";

export interface CreateOrganizationInput {
  /** The organization of the caller: idempotency keys are its own. */
  readonly callerOrgId: string;
  readonly name: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface CreatedOrganization {
  readonly row: OrganizationRow;
  /** Empty on a replay. */
  readonly secret: string;
}

const rpc = "CreateOrganization";

export async function createOrganization(db: Db, input: CreateOrganizationInput): Promise<CreatedOrganization> {
  return db.transaction().execute(async (tx) => {
    const id = newOrganizationId();
    const { callerOrgId, name, idempotencyKey } = input;
    if (idempotencyKey !== "") {
      const entry = { orgId: callerOrgId, rpc, key: idempotencyKey, digest: digestOf({ name }), resultId: id };
      const taken = await takeKey(tx, entry);
      if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
      if (taken.t === "replay") {
        const row = await organizationById(tx, taken.resultId);
        if (!row) throw problem("INTERNAL", `The organization ${taken.resultId} has vanished.`);
        return { row, secret: "" };
      }
    }
    const row = await insertOrganization(tx, id, name);
    const secret = newSecret("dnah");
    await saveApiKey(tx, { id: newApiKeyId(), orgId: id, name: "first", scopes: organizationScopes, secret });
    return { row, secret };
  });
}
