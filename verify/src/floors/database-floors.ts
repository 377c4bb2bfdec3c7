/** The floors of the database, from a run of server/src/bench/postgres-floor.ts; it says what each is. */
import type { PerfOptions } from "../options.ts";
import { runScript } from "./run-script.ts";

export interface DatabaseFloors {
  readonly query: readonly number[];
  readonly commit: readonly number[];
}

export function measureDatabaseFloors({ databaseUrl }: PerfOptions): DatabaseFloors {
  return runScript("server/src/bench/postgres-floor.ts", { "database-url": databaseUrl }) as DatabaseFloors;
}
