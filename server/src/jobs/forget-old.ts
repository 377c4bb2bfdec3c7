/** Drops idempotency keys, join tokens and failures of moves after a day, events after seven. */
import { forgetEvents } from "../db/events.ts";
import { forgetOldKeys } from "../db/idempotency.ts";
import { forgetJoinTokens } from "../db/join-tokens.ts";
import type { Db } from "../db/schema.ts";
import { forgetOldTransferFailures } from "../db/transfer-failures.ts";
import type { Job } from "./job.ts";

const keptDays = 7;
/** So that no statement runs into its time-out, whatever has piled up. */
const atOnce = 10_000;

export function createForgetOld(db: Db): Job {
  return {
    name: "forget-old",
    schedule: "*/10 * * * *",
    longestSeconds: 600,
    async run({ signal }) {
      await forgetOldKeys(db);
      await forgetJoinTokens(db);
      await forgetOldTransferFailures(db);
      while (!signal.aborted && (await forgetEvents(db, keptDays, atOnce)) === atOnce);
    },
  };
}
