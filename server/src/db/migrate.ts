/** Brings the schema up to date. kysely's advisory lock lets several servers start at once. */
import { Migrator } from "kysely/migration";
import { init } from "./migrations/0001-init.ts";
import { vmOverhead } from "./migrations/0002-vm-overhead.ts";
import { access } from "./migrations/0003-access.ts";
import { eventLog } from "./migrations/0004-event-log.ts";
import { hostLoads } from "./migrations/0005-host-loads.ts";
import { pause } from "./migrations/0006-pause.ts";
import { snapshots } from "./migrations/0007-snapshots.ts";
import { joining } from "./migrations/0008-joining.ts";
import { pools } from "./migrations/0009-pools.ts";
import { rollBack } from "./migrations/0010-roll-back.ts";
import { tombstones } from "./migrations/0011-tombstones.ts";
import { templates } from "./migrations/0012-templates.ts";
import { quotas } from "./migrations/0013-quotas.ts";
import { transfers } from "./migrations/0014-transfers.ts";
import type { Db } from "./schema.ts";

export const migrations = {
  "0001-init": init,
  "0002-vm-overhead": vmOverhead,
  "0003-access": access,
  "0004-event-log": eventLog,
  "0005-host-loads": hostLoads,
  "0006-pause": pause,
  "0007-snapshots": snapshots,
  "0008-joining": joining,
  "0009-pools": pools,
  "0010-roll-back": rollBack,
  "0011-tombstones": tombstones,
  "0012-templates": templates,
  "0013-quotas": quotas,
  "0014-transfers": transfers,
};

/** Throws what went wrong; then nothing was changed, since all runs in one transaction. */
export async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw error;
}
