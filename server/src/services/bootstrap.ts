/** The first organization and its admin key, in an empty database. */
import { hasOrganizations, insertOrganization } from "../db/organizations.ts";
import type { Db } from "../db/schema.ts";
import { isSecret, newSecret } from "../domain/api-key-secret.ts";
import { newApiKeyId, newOrganizationId } from "../domain/ids.ts";
import { scopes } from "../domain/scope.ts";
import { saveApiKey } from "./create-api-key.ts";

/**
 * `keep` writes the secret where the operator finds it, or hands back the one that is there already: it runs before the
 * row is committed, so that a crash in between leaves a file that the next start uses, never a key that nobody knows.
 */
export async function bootstrap(db: Db, keep: (makeSecret: () => string) => string): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    if (await hasOrganizations(tx)) return false;
    const secret = keep(() => newSecret("dnah")).trim();
    if (!isSecret(secret)) throw new Error("The bootstrap key file holds something else than a key: remove it.");
    const orgId = newOrganizationId();
    await insertOrganization(tx, orgId, "default");
    await saveApiKey(tx, { id: newApiKeyId(), orgId, name: "admin", scopes, secret });
    return true;
  });
}
