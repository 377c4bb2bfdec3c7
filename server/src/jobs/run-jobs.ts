/** Runs the durable work, with pg-boss: in our database, whichever of the servers are up. */
import type { Logger } from "@daytonah/lib/log.ts";
import type pg from "pg";
import { PgBoss } from "pg-boss";
import type { Clock } from "../domain/clock.ts";
import type { Job } from "./job.ts";

export interface RunJobsOptions {
  readonly pool: pg.Pool;
  readonly jobs: readonly Job[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** pg-boss's smallest: a server that is silent for so long is dead, and another takes its job. */
const heartbeatSeconds = 10;
const retries = { retryLimit: 10, retryDelay: 1, retryBackoff: true, retryDelayMax: 600 };
const startAgainMs = 2_000;
/** For a job that does not look at its signal. */
const stopMs = 2_000;

export function createRunJobs({ pool, jobs, clock, log }: RunJobsOptions) {
  return {
    async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
      const boss = new PgBoss({
        db: { executeSql: (text, values) => pool.query(text, values) },
        superviseIntervalSeconds: heartbeatSeconds,
        monitorIntervalSeconds: heartbeatSeconds,
      });
      boss.on("error", (error) => log.debug("jobs.error", { error })); // while the database is down, of every query
      boss.on("warning", (warning) => log.warn("jobs.warning", { warning }));
      const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      if (await startBoss(boss, signal)) await stopped;
      // First what runs, told to stop by the same signal, so that its failure is written down and it is tried elsewhere.
      await Promise.race([Promise.all(jobs.map(({ name }) => boss.offWork(name))), clock.sleep(stopMs, {})]);
      await boss.stop({ timeout: stopMs });
    },
  };

  /** Until it is started, or false where the server stops before that. */
  async function startBoss(boss: PgBoss, signal: AbortSignal): Promise<boolean> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await boss.start();
        for (const job of jobs) await take(boss, job, signal);
        return true;
      } catch (error) {
        if (failures === 0) log.warn("jobs.start_failed", { error });
        await clock.sleep(startAgainMs, { signal }).catch(() => undefined);
      }
    }
    return false;
  }

  /** May be repeated. */
  async function take(boss: PgBoss, { name, schedule, longestSeconds, run }: Job, signal: AbortSignal): Promise<void> {
    await boss.createQueue(name, { ...retries, heartbeatSeconds, expireInSeconds: longestSeconds });
    await boss.schedule(name, schedule);
    await boss.offWork(name);
    await boss.work(name, { pollingIntervalSeconds: 0.5 }, async ([job]) => {
      if (!job) return;
      const startedAt = clock.now();
      try {
        await run({ signal: AbortSignal.any([signal, job.signal]) });
        log.debug("job.done", { job: name, ms: clock.now() - startedAt });
      } catch (error) {
        log.warn("job.failed", { job: name, error });
        throw noteOf(error); // pg-boss tries again
      }
    });
  }
}

/** What is kept with the job: the log has the whole. A text with a NUL can't be kept, and then the failure itself would not be. */
function noteOf(error: unknown): Error {
  const text = String(error).replaceAll("\0", "");
  return Object.assign(new Error(text), { stack: text });
}
