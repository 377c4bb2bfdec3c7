/** Makes children of one instant of a sandbox: an internal snapshot, then a sandbox from it for each. */
import { abortable } from "@daytonah/lib/deadline.ts";
import type { Lifecycle } from "../domain/lifecycle.ts";
import { awaitFork } from "./await-fork.ts";
import { beginFork } from "./begin-fork.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import { abandonCreate } from "./delete-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { type ForkedChild, runFork } from "./run-fork.ts";
import type { Stage } from "./stages.ts";

export interface ForkSandboxInput {
  readonly orgId: string;
  readonly sandboxId: string;
  readonly count: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly lifecycle: Lifecycle;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface ForkedSandbox {
  /** A child, or why there is none, for each one asked for. */
  readonly children: readonly ForkedChild[];
  readonly stages: readonly Stage[];
  readonly hostId: string | null;
  readonly replayed: boolean;
}

/** Where the client goes away without a key, the children are deleted again: nobody has their ids. */
export async function forkSandbox(
  deps: ServiceDeps,
  input: ForkSandboxInput,
  { signal, requestId }: CallerOptions,
): Promise<ForkedSandbox> {
  const begun = await beginFork(deps, input, signal);
  if (begun.t === "replay") return awaitFork(deps, begun.snapshotId, input.count, signal);
  const { snapshot, also: children } = begun;
  try {
    const run = await abortable(deps.background.run(runFork(deps, begun, requestId)), signal);
    return { ...run, children: [...run.children, ...children.refused], hostId: snapshot.host_id, replayed: false };
  } catch (error) {
    if (signal.aborted && !snapshot.keyed) {
      for (const row of children.rows) void deps.background.run(abandonCreate(deps, row)).catch(logged);
    }
    throw error;
  }

  function logged(error: unknown): void {
    deps.log.warn("sandbox.abandon_delayed", { sandbox: input.sandboxId, error });
  }
}
