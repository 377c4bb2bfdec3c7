/** Labels of sandboxes. */
import { sql } from "kysely";
import type { SandboxRow } from "./sandboxes.ts";
import type { DbOrTx } from "./schema.ts";

export interface LabelChange {
  readonly orgId: string;
  readonly id: string;
  /** Taken away first. */
  readonly remove: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  /** Of all that it has then. */
  readonly most: number;
}

/** One statement, so that two changes at once both count. Undefined where it is not there, ends, or would have too many. */
export async function changeLabels(db: DbOrTx, change: LabelChange): Promise<SandboxRow | undefined> {
  const labels = sql`(metadata - ${change.remove as string[]}::text[]) || ${JSON.stringify(change.set)}::jsonb`;
  const { rows } = await sql<SandboxRow>`
    update sandboxes set metadata = ${labels}
    where id = ${change.id} and org_id = ${change.orgId} and state not in ('deleting', 'deleted')
      and (select count(*) from jsonb_object_keys(${labels})) <= ${change.most}
    returning *`.execute(db);
  return rows[0];
}
