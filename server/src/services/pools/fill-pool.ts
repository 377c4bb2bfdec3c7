/** Starts VMs for a pool until as many wait, or are on their way, as should. */
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import { insertPoolVm, shrinkPool } from "../../db/pool-vms.ts";
import { holdPool, lockPoolToFill, poolLevels } from "../../db/pools.ts";
import type { SandboxRow } from "../../db/sandboxes.ts";
import { newSandboxId } from "../../domain/ids.ts";
import { toFill, wantedReady } from "../../domain/pool-size.ts";
import type { ServiceDeps } from "../deps.ts";
import { hostOf } from "../host-of.ts";
import { move } from "../move.ts";
import { place } from "../place.ts";
import { reasonOf } from "../sandbox-problems.ts";
import { discardPoolVm } from "./discard-pool-vm.ts";

/** After a VM that did not come up. */
const holdMs = 10_000;

/** Answers when as many are being started as may be; they come up in the background. */
export async function fillPool(deps: ServiceDeps, poolId: string): Promise<void> {
  for (;;) {
    const row = await beginFill(deps, poolId);
    if (!row) return;
    void deps.background
      .run(startPoolVm(deps, row, poolId))
      .catch((error: unknown) => deps.log.warn("pool.fill_failed", { pool: poolId, sandbox: row.id, error }));
  }
}

/** One VM's row and room; its own transaction, so that no two of them wait for each other's hosts. */
async function beginFill({ db, clock, log }: ServiceDeps, poolId: string): Promise<SandboxRow | undefined> {
  return db.transaction().execute(async (tx) => {
    if (!(await lockPoolToFill(tx, poolId))) return undefined;
    const [level] = await poolLevels(tx, new Date(clock.now()), poolId);
    if (!level) return undefined;
    const { pool, ready, demand } = level;
    const wanted = wantedReady({ minReady: pool.min_ready, maxReady: pool.max_ready }, demand);
    await shrinkPool(tx, poolId, ready - wanted);
    if (toFill(wanted, level) === 0) return undefined;
    const { template, vcpus, memory_mib: memoryMib, disk_mib: diskMib } = pool;
    try {
      const { hostId, hardwareIsolated, size } = await place(tx, { template, vcpus, memoryMib, diskMib });
      return await insertPoolVm(tx, { id: newSandboxId(), poolId, template, size, hostId, hardwareIsolated });
    } catch (error) {
      if (!problemOf(error)) throw error;
      log.debug("pool.no_room", { pool: poolId, error }); // creates need what there is; asked again at the next turn
      return undefined;
    }
  });
}

/** The row is in filling and claimed by us. */
async function startPoolVm(deps: ServiceDeps, row: SandboxRow, poolId: string): Promise<void> {
  using _ = deps.claims.hold(row.id);
  try {
    const { vm } = await hostOf(deps, row).startVm(
      {
        sandboxId: row.id,
        epoch: BigInt(row.epoch),
        template: row.template,
        vcpus: row.vcpus,
        memoryMib: row.memory_mib,
        diskMib: row.disk_mib,
        env: {},
        snapshotId: "",
        standby: true,
      },
      {},
    );
    if (vm?.state !== VmState.RUNNING) throw problem(reasonOf(vm?.failureReason ?? ""), vm?.failureMessage ?? "");
    // Undefined where its pool was deleted meanwhile: finish-deletes has it then.
    await move(deps, { id: row.id, epoch: row.epoch, to: "pooled" });
  } catch (error) {
    await holdPool(deps.db, poolId, holdMs);
    await discardPoolVm(deps, row);
    throw error;
  }
}
