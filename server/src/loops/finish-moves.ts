/** Finishes the pauses and resumes that a server left when it died, or that a silent host left open. */
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { finishPause } from "../services/pause-sandbox.ts";
import { finishResume } from "../services/resume-sandbox.ts";

export async function finishMoves(deps: ServiceDeps): Promise<void> {
  for (const [state, finish] of [
    ["pausing", finishPause],
    ["resuming", finishResume],
  ] as const) {
    for (const row of await takeAbandoned(deps.db, sandboxMovesIn(state), 50, deps.claims.ids())) {
      void deps.background
        .run(finish(deps, row, ""))
        .catch((error: unknown) => deps.log.debug("sandbox.move_delayed", { sandbox: row.id, state, error }));
    }
  }
}
