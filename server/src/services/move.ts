/** Moves a sandbox and tells this server's own memory of it. */
import { type Move, moveSandbox } from "../db/move-sandbox.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { ServiceDeps } from "./deps.ts";

export async function move(deps: ServiceDeps, to: Move): Promise<SandboxRow | undefined> {
  try {
    return await moveSandbox(deps.db, to);
  } finally {
    deps.onMoved(to.id); // also where we can't know whether it was committed
  }
}
