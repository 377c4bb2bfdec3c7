/** Begins and ends the handing over of a VM to another host: a sealed one is not woken here, whoever asks. */
import { isDeepStrictEqual } from "node:util";
import { problem } from "@daytonah/lib/problem.ts";
import { entryAt, wrongState } from "./entry-at.ts";
import { finishRollBack } from "./roll-back-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem } from "./vm-entry.ts";
import { conditionOf, type VmRecord } from "./vm-record.ts";

/** Idempotent by (sandbox, epoch). A failed one is paused then, as StopVm leaves it: with its disk alone. */
export async function sealVm(deps: VmDeps, sandboxId: string, epoch: number): Promise<VmRecord> {
  const { registry, store, log } = deps;
  const entry = entryAt(registry, sandboxId, epoch);
  return entry.operations.run(`seal ${epoch}`, async () => {
    entryAt(registry, sandboxId, epoch);
    if (entry.record.state === "paused" && entry.record.sealed) return entry.record;
    await finishRollBack(deps, entry);
    const stamp = await store.stampOf(sandboxId);
    const { record } = entry;
    if (record.state !== "paused" && record.state !== "failed") throw wrongState(entry);
    // Where it has no disk it never ran, and there is nothing to hand over.
    if (!stamp) throw record.state === "failed" ? failureProblem(record.failure) : wrongState(entry);
    const kept = record.state === "paused" && isDeepStrictEqual(record.memory, stamp);
    const condition = record.state === "paused" ? conditionOf(record, kept) : {};
    const sealed = await registry.move(entry, { ...condition, state: "paused", sealed: true });
    if (!kept) await store.removeMemory(sandboxId); // it does not fit the disk
    log.info("vm.sealed", { vm: sandboxId, epoch });
    return sealed;
  });
}

/** Idempotent. It may be woken here again as soon as nobody reads what it has. */
export async function unsealVm(deps: VmDeps, sandboxId: string, epoch: number): Promise<void> {
  const { registry, moves, log } = deps;
  const entry = entryAt(registry, sandboxId, epoch);
  await entry.operations.run(`unseal ${epoch}`, async () => {
    entryAt(registry, sandboxId, epoch);
    const { record } = entry;
    if (record.state === "paused" && record.sealed) {
      await registry.move(entry, conditionOf(record, true));
      log.info("vm.unsealed", { vm: sandboxId, epoch });
    }
    // Nobody begins to read from here on; and what wakes it comes after this.
    const metadata = { sandbox_id: sandboxId, state: record.state };
    const stays = problem("SANDBOX_STATE_CONFLICT", `${sandboxId} stays on this host.`, { metadata });
    await moves.end({ id: sandboxId, epoch }, stays);
  });
}
