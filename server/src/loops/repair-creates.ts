/** Finishes or undoes the creates that a server left when it died, or that a silent host left open. */
import { sandboxMovesIn, takeAbandoned } from "../db/claims.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { snapshotById } from "../db/snapshots.ts";
import { undoCreate } from "../services/delete-sandbox.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { move } from "../services/move.ts";
import { startSandbox } from "../services/start-sandbox.ts";

/** Then a create with a key gives up too. */
const giveUpMs = 10 * 60_000;

export async function repairCreates(deps: ServiceDeps): Promise<void> {
  const rows = await takeAbandoned(deps.db, sandboxMovesIn("creating"), 50, deps.claims.ids());
  for (const row of rows) {
    void deps.background
      .run(repairCreate(deps, row))
      .catch((error: unknown) => deps.log.debug("sandbox.repair_delayed", { sandbox: row.id, error }));
  }
}

async function repairCreate(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  deps.log.info("sandbox.create_repaired", { sandbox: row.id, keyed: row.keyed });
  const fork = row.fork_id === null ? undefined : await snapshotById(deps.db, row.fork_id);
  if (fork?.state === "creating") return; // finish-snapshots takes it first, or gives it up
  if (!row.keyed || (fork && fork.state !== "ready")) return undoCreate(deps, row);
  if (deps.clock.now() - row.create_time.getTime() > giveUpMs) {
    const failure = { reason: "HOST_UNAVAILABLE", message: "Its host did not answer while it was being created." };
    await move(deps, { id: row.id, epoch: row.epoch, to: "failed", from: ["creating"], failure });
    return;
  }
  await startSandbox(deps, row, "");
}
