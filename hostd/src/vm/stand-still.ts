/** Keeping what a running guest has: its disk in order first, then a stand-still, then it goes on. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { withDeadline } from "@daytonah/lib/deadline.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import { tellTime } from "../guest/tell-time.ts";
import { vmDied } from "./supervise-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import { failureProblem, type LiveVm } from "./vm-entry.ts";

/** A guest that has more to write is kept as it is: its memory has the rest. */
const quiesceMs = 2_000;
/** How long a guest stands still that is not told to go on; of its own time, in which it runs. */
const longestMs = 30_000;
const resumeMs = 30_000;

/** Best effort: an agent of an older release does not know the call, and one that hangs is no reason not to keep it. */
export async function quiesce({ log }: VmDeps, { agent }: LiveVm, vm: string, signal: AbortSignal): Promise<void> {
  try {
    const value = { timeout: durationFromMs(longestMs) };
    await agent.command({ case: "quiesce", value }, { signal, timeoutMs: quiesceMs });
  } catch (error) {
    signal.throwIfAborted();
    log.debug("vm.quiesce.failed", { vm, error });
  }
}

/** Runs a guest on that stood still. One that can't ends: it would stand for ever, and serve nobody. */
export async function goOn(deps: VmDeps, live: LiveVm, sandboxId: string, signal: AbortSignal): Promise<void> {
  try {
    await runOn(deps, live, signal);
  } catch (error) {
    signal.throwIfAborted(); // a delete ends it
    deps.log.error("vm.stuck", { vm: sandboxId, error });
    await live.vm.kill();
    throw failureProblem(vmDied(sandboxId, "did not go on after it was stopped to be written down"));
  }
}

/** Runs the guest on, and waits until its agent answers by the vsock it has then. */
export async function runOn(
  { now }: Pick<VmDeps, "now">,
  { vm, agent }: Pick<LiveVm, "vm" | "agent">,
  signal: AbortSignal,
): Promise<void> {
  using deadline = withDeadline(signal, resumeMs, () => new Error(`the VM did not go on within ${resumeMs} ms`));
  await vm.resume(deadline);
  await awaitAgent(agent, deadline);
  // Its clock may have stood: before its programs go on.
  await agent.command({ case: "setClock", value: await tellTime(agent, now, deadline) }, deadline);
  await agent.command({ case: "thaw", value: {} }, deadline).catch((error: unknown) => {
    if (problemOf(error)?.reason !== "UNKNOWN_CALL") throw error; // an older release, which did not stop them
  });
}
