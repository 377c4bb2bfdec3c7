/** Tells the host of a sandbox who may reach it. May be repeated: the host keeps the highest version. */
import { problemOf } from "@daytonah/lib/problem.ts";
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";
import { noteAccessTold, reachableStates } from "../db/access.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import { vmAccessOf } from "../domain/vm-access.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";

/** The host has no such VM, so nobody can reach it by what was true before. */
const nothingToTell: ReadonlySet<ReasonName | undefined> = new Set(["SANDBOX_NOT_FOUND", "SANDBOX_NOT_RUNNING"]);

/** Resolves when nobody gets in by what was true before. */
export async function tellAccess(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const access = vmAccessOf(deps.tokenKey, row);
  const id = { sandboxId: row.id, epoch: BigInt(row.epoch) };
  if (await tell(row, () => hostOf(deps, row).setVmAccess({ ...id, access }, {}))) await noteAccessTold(deps.db, row);
}

/** False where its host is not to be told now; the next start tells it then. */
export async function tell(row: SandboxRow, call: () => Promise<void>): Promise<boolean> {
  if (!(reachableStates as readonly SandboxState[]).includes(row.state)) return false;
  await tellIfThere(call);
  return true;
}

/** Where the host has no such VM there is nothing to tell. */
export async function tellIfThere(call: () => Promise<void>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!nothingToTell.has(problemOf(error)?.reason)) throw error;
  }
}
