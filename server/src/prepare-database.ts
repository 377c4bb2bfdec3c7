/** Brings the database up: waits for it, migrates it, makes the first key. */
import type { Logger } from "@daytonah/lib/log.ts";
import { isDatabaseUnavailable } from "./db/database-problem.ts";
import { migrate } from "./db/migrate.ts";
import type { Db } from "./db/schema.ts";
import type { Clock } from "./domain/clock.ts";
import { writeOnce } from "./pki/write-once.ts";
import { bootstrap } from "./services/bootstrap.ts";

export interface PrepareOptions {
  readonly db: Db;
  readonly bootstrapKeyFile: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Throws what waiting does not mend. */
export async function prepareDatabase({ db, bootstrapKeyFile, clock, log, signal }: PrepareOptions): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await migrate(db);
      if (bootstrapKeyFile !== undefined) {
        const file = bootstrapKeyFile;
        const made = await bootstrap(db, (makeSecret) => writeOnce(file, () => `${makeSecret()}\n`));
        if (made) log.info("bootstrap.key_written", { file });
      }
      return;
    } catch (error) {
      if (!isDatabaseUnavailable(error)) throw error;
      // Each 15 s: enough to be seen, too few to drown the rest.
      if (tries % 30 === 0) log.warn("database.waiting", { hint: "PostgreSQL does not answer; waiting for it", error });
      await clock.sleep(500, { signal });
    }
  }
}
