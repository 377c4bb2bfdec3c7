/** Sets when a running sandbox ends: in the database first, then at its host. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { changeTimeout } from "../db/lifecycle.ts";
import { type SandboxRow, sandboxById, sandboxOf } from "../db/sandboxes.ts";
import { awaitSettled } from "./await-settled.ts";
import { untold } from "./change-access.ts";
import type { ServiceDeps } from "./deps.ts";
import { sandboxNotFound, sandboxNotRunning } from "./sandbox-problems.ts";
import { tellLifecycle } from "./tell-lifecycle.ts";

export interface SetSandboxTimeoutInput {
  readonly orgId: string;
  readonly sandboxId: string;
  /** From now; null: it never ends. */
  readonly timeoutMs: number | null;
  /** Only ever later. */
  readonly extendOnly: boolean;
}

/** Resolves when its host keeps the new time. */
export async function setSandboxTimeout(
  deps: ServiceDeps,
  input: SetSandboxTimeoutInput,
  signal: AbortSignal,
): Promise<SandboxRow> {
  const { sandboxId: id, ...change } = input;
  const changed = await changeTimeout(deps.db, { ...change, id });
  if (!changed) {
    if ((await sandboxById(deps.db, id))?.transfer === null) return unchanged(deps, input);
    await awaitSettled(deps, id, signal); // it moves to another host, and may run again then
    return setSandboxTimeout(deps, input, signal);
  }
  try {
    await abortable(deps.background.run(tellLifecycle(deps, changed)), signal);
  } catch (error) {
    const why = problemOf(error);
    throw why?.reason === "HOST_UNAVAILABLE" ? untold(changed, why) : error;
  }
  return changed;
}

async function unchanged({ db }: ServiceDeps, input: SetSandboxTimeoutInput): Promise<SandboxRow> {
  const row = await sandboxOf(db, input.orgId, input.sandboxId);
  if (!row || row.state === "deleted") throw sandboxNotFound(input.sandboxId);
  if (row.state === "running" && input.extendOnly) return row;
  throw sandboxNotRunning(row);
}
