/** Begins and ends the draining of a host. The loop drain-hosts does it. */
import { setDraining } from "../db/drains.ts";
import { type ListedHost, listedHost } from "../db/hosts.ts";
import type { Db } from "../db/schema.ts";
import { forgetTransferFailuresOn } from "../db/transfer-failures.ts";
import { hostNotFound } from "./host-not-found.ts";

/** What has begun to move when a drain ends goes on. */
export async function drainHost(db: Db, hostId: string, draining: boolean): Promise<ListedHost> {
  return db.transaction().execute(async (tx) => {
    const known = await setDraining(tx, hostId, draining);
    await forgetTransferFailuresOn(tx, hostId);
    const host = known ? await listedHost(tx, hostId) : undefined;
    if (!host) throw hostNotFound(hostId);
    return host;
  });
}
