/** Takes in a sandbox that another host sealed: it is paused and sealed here, until the control plane says that this is its host. */
import { join } from "node:path";
import { problem } from "@daytonah/lib/problem.ts";
import { badArchive } from "../moves/unpack.ts";
import { readStamp } from "./disk-stamp.ts";
import { superseded } from "./entry-at.ts";
import { receive } from "./receive.ts";
import { requireMovable } from "./require-movable.ts";
import type { VmDeps } from "./vm-deps.ts";
import { type PausedCondition, planOf, readRecord, type VmRecord } from "./vm-record.ts";

export interface ImportVm {
  readonly sandboxId: string;
  /** That it has from now on, higher than where it comes from. */
  readonly epoch: number;
}

type SealedRecord = VmRecord & PausedCondition;

/** Idempotent by (sandbox, epoch): one that is here is not read again. Where it fails nothing is left. */
export async function importVm(
  deps: VmDeps,
  { sandboxId, epoch }: ImportVm,
  body: AsyncIterable<Uint8Array>,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const { images, log, moves } = deps;
  await moves.arrive({ id: sandboxId, epoch }, options.signal, async (signal) => {
    if (isHere(deps, sandboxId, epoch)) return;
    const began = performance.now();
    await using draft = await moves.makeDraft(sandboxId);
    const { described, bytes } = await receive(deps, body, {
      ...{ dir: draft.dir, description: "vm.json", diskMode: 0o600, signal },
      read: async (text) => {
        const record = readSealed(text, sandboxId, epoch);
        await requireMovable(images, record);
        const { vcpus, memoryMib, diskMib } = record;
        return { record, vcpus, memoryMib, diskMib, memoryKept: record.memory !== undefined };
      },
    });
    await settle(deps, described.record, epoch, draft.dir);
    log.info("vm.arrived", { vm: sandboxId, epoch, bytes, ms: performance.now() - began });
  });
}

/** Throws where another epoch is. */
function isHere({ registry, store }: VmDeps, sandboxId: string, epoch: number): boolean {
  const buried = store.tombstone(sandboxId);
  if (epoch <= buried) throw superseded(sandboxId, epoch, buried, "deleted");
  const entry = registry.get(sandboxId);
  if (!entry) return false;
  const { record } = entry;
  if (record.epoch > epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
  if (record.epoch === epoch && record.state !== "deleting" && !entry.deletion) return true;
  const message = `The host still has epoch ${record.epoch} of ${sandboxId}: delete it first.`;
  throw problem("SANDBOX_STATE_CONFLICT", message, { metadata: { sandbox_id: sandboxId, state: record.state } });
}

function readSealed(text: string, sandboxId: string, epoch: number): SealedRecord {
  let record: VmRecord;
  try {
    record = readRecord(text, sandboxId);
  } catch (error) {
    throw badArchive((error as Error).message);
  }
  if (record.state !== "paused" || !record.sealed) throw badArchive("its VM was not sealed");
  if (record.epoch >= epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
  return record;
}

/** Gives it a slot, and its place among the host's VMs. */
async function settle(deps: VmDeps, record: SealedRecord, epoch: number, dir: string): Promise<void> {
  const { files, registry, store } = deps;
  const { sandboxId, memory, expired } = record;
  const stamp = await readStamp(join(dir, "root.ext4"));
  if (isHere(deps, sandboxId, epoch)) return;
  const entry = registry.reserve(
    { ...planOf(record), epoch, wakes: 0 },
    { state: "paused", sealed: true, ...(memory && stamp ? { memory: stamp } : {}), ...(expired ? { expired } : {}) },
  );
  await entry.operations.run("arrive", async () => {
    try {
      await files.giveDisk(join(dir, "root.ext4"), entry.record.slot);
      await registry.persist(entry, () => store.takeIn(dir, entry.record));
    } catch (error) {
      registry.forget(entry);
      throw error;
    }
  });
}
