/** Finds the VM that a command is for, and compares epochs: what comes late finds them gone by. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import type { VmEntry } from "./vm-entry.ts";
import type { VmRecord } from "./vm-record.ts";
import type { VmRegistry } from "./vm-registry.ts";

/** The VM at just this epoch. */
export function entryAt(registry: VmRegistry, sandboxId: string, epoch: number): VmEntry {
  const entry = entryOf(registry, sandboxId);
  requireEpoch(entry, epoch);
  return entry;
}

export function entryOf(registry: VmRegistry, sandboxId: string): VmEntry {
  const entry = registry.get(sandboxId);
  if (entry) return entry;
  throw problem("SANDBOX_NOT_FOUND", `This host has no sandbox ${sandboxId}.`, { metadata: { sandbox_id: sandboxId } });
}

export function requireEpoch({ sandboxId, record }: VmEntry, epoch: number): void {
  if (record.epoch === epoch) return;
  throw notRunning(sandboxId, record.state, record.epoch, `is at epoch ${record.epoch}, and this is for ${epoch}`);
}

/** Throws where it is being handed to another host: it must not live here any more. */
export function requireUnsealed(record: VmRecord): void {
  if (record.state !== "paused" || !record.sealed) return;
  throw problem("SANDBOX_STATE_CONFLICT", `${record.sandboxId} is being handed to another host.`, {
    metadata: { sandbox_id: record.sandboxId, state: "paused" },
    retryDelayMs: 1_000,
  });
}

/** That its state does not allow it. */
export function wrongState({ sandboxId, record }: VmEntry): Problem {
  return notRunning(sandboxId, record.state, record.epoch, `is ${record.state}`);
}

/** That another epoch came after this one. */
export function superseded(sandboxId: string, epoch: number, last: number, state: string): Problem {
  return problem("SANDBOX_NOT_RUNNING", `Epoch ${epoch} of ${sandboxId} is over; the last is ${last}.`, {
    metadata: { sandbox_id: sandboxId, state, epoch: String(last) },
  });
}

function notRunning(sandboxId: string, state: string, epoch: number, why: string): Problem {
  return problem("SANDBOX_NOT_RUNNING", `${sandboxId} ${why}.`, {
    metadata: { sandbox_id: sandboxId, state, epoch: String(epoch) },
  });
}
