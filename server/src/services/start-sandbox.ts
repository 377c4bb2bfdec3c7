/** The second half of a create: StartVm, then creating → running or failed. May be repeated after a crash. */
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";
import { releaseClaim, sandboxMoves } from "../db/claims.ts";
import { noteDiskFull } from "../db/hosts.ts";
import { refuseSandbox, type SandboxRow, sandboxById } from "../db/sandboxes.ts";
import { vmLifecycleOf } from "../domain/lifecycle.ts";
import { vmAccessOf } from "../domain/vm-access.ts";
import type { VmSpec } from "../hosts/host-client.ts";
import { abandonCreate } from "./delete-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { hostOf } from "./host-of.ts";
import { move } from "./move.ts";
import { type ClaimedVm, claimVm } from "./pools/claim-vm.ts";
import { failureOf, reasonOf, stateConflict } from "./sandbox-problems.ts";
import { type Stage, stagesOf } from "./stages.ts";

export interface StartedSandbox {
  readonly row: SandboxRow;
  readonly stages: readonly Stage[];
}

/** The row is in creating and claimed by us. */
export async function startSandbox(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<StartedSandbox> {
  using _ = deps.claims.hold(row.id);
  const claimed = row.pool_id === null ? undefined : await takeFromPool(deps, row, requestId);
  if (claimed?.t === "cold") return startSandbox(deps, claimed.row, requestId);
  const stages = claimed?.stages ?? (await startVm(deps, row, requestId));
  const running = await move(deps, { id: row.id, epoch: row.epoch, to: "running" });
  if (running) {
    deps.log.debug("sandbox.running", { sandbox: row.id, host: row.host_id, requestId });
    return { row: running, stages };
  }
  const now = await sandboxById(deps.db, row.id);
  // A repair in another server was as fast as we were, with the same result.
  if (now?.state === "running" && now.epoch === row.epoch) return { row: now, stages };
  throw now?.state === "failed" ? failureOf(now) : stateConflict(now, row.id);
}

async function takeFromPool(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<ClaimedVm> {
  try {
    return await claimVm(deps, row, requestId);
  } catch (error) {
    const why = problemOf(error);
    throw why?.reason === "HOST_UNAVAILABLE" ? await leaveToRepair(deps, row, why) : error;
  }
}

async function startVm(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<readonly Stage[]> {
  try {
    const answer = await hostOf(deps, row).startVm(specOf(deps, row), { requestId });
    const { vm } = answer;
    // A repeat joins what the first made, also where that has ended since.
    if (vm?.state === VmState.FAILED) throw problem(reasonOf(vm.failureReason), vm.failureMessage);
    return stagesOf(answer);
  } catch (error) {
    const why = problemOf(error) ?? problem("INTERNAL", "The sandbox could not be started.", { cause: error });
    throw why.reason === "HOST_UNAVAILABLE" ? await leaveToRepair(deps, row, why) : await failCreate(deps, row, why);
  }
}

function specOf({ tokenKey }: ServiceDeps, row: SandboxRow): VmSpec {
  return {
    sandboxId: row.id,
    epoch: BigInt(row.epoch),
    template: row.template,
    vcpus: row.vcpus,
    memoryMib: row.memory_mib,
    diskMib: row.disk_mib,
    env: row.env ?? {},
    access: vmAccessOf(tokenKey, row),
    lifecycle: vmLifecycleOf(row),
    snapshotId: row.snapshot_id ?? row.fork_id ?? "",
  };
}

/** Nobody knows what the host did. With a key the create goes on without the caller; without, it is undone. */
async function leaveToRepair(deps: ServiceDeps, row: SandboxRow, why: Problem): Promise<Problem> {
  if (row.keyed) {
    await releaseClaim(deps.db, sandboxMoves, row.id);
    return problem("HOST_UNAVAILABLE", why.message, {
      ...why.options,
      metadata: { ...why.options.metadata, sandbox_id: row.id },
      nextStep: "Call again with the same idempotency key after retry_delay: the create goes on meanwhile.",
      cause: why,
    });
  }
  await abandonCreate(deps, row).catch((error: unknown) => {
    deps.log.warn("sandbox.abandon_delayed", { sandbox: row.id, error });
  });
  return why;
}

/** The host said no, or the VM did not come up. */
async function failCreate(deps: ServiceDeps, row: SandboxRow, why: Problem): Promise<Problem> {
  if (why.reason === "HOST_NO_SPACE" && row.host_id !== null) await noteDiskFull(deps.db, row.host_id, row.disk_mib);
  if (refusals.has(why.reason) && (await refuseCreate(deps, row, why))) {
    return problem(why.reason, why.message, { retryDelayMs: 5_000, ...why.options, cause: why });
  }
  const failure = { reason: why.reason, message: why.message };
  const failed = await move(deps, {
    id: row.id,
    epoch: row.epoch,
    to: "failed",
    from: ["creating"],
    failure,
  });
  const now = failed ?? (await sandboxById(deps.db, row.id));
  if (now?.state !== "failed") return stateConflict(now, row.id); // deleted meanwhile: the host refused because of that
  deps.log.warn("sandbox.create_failed", { sandbox: row.id, host: row.host_id, error: why });
  // Where this does not arrive, the host's next list is held against the row.
  cleanUp(deps, row);
  return problem(why.reason, why.message, {
    ...why.options,
    metadata: { ...why.options.metadata, sandbox_id: row.id },
    cause: why,
  });
}

/** The host counts its room itself, and may have less than the rows say. Another try finds it, or another host. */
const refusals: ReadonlySet<ReasonName> = new Set(["NO_CAPACITY", "HOST_NO_SPACE"]);

/** Leaves no row and no key: with the key bound to the refusal, no retry could ever succeed. */
async function refuseCreate(deps: ServiceDeps, row: SandboxRow, { reason, message }: Problem): Promise<boolean> {
  try {
    if (!(await deps.db.transaction().execute((tx) => refuseSandbox(tx, row, reason)))) return false;
  } finally {
    deps.onMoved(row.id);
  }
  deps.log.warn("sandbox.create_refused", { sandbox: row.id, host: row.host_id, reason, message });
  cleanUp(deps, row);
  return true;
}

/** Nothing on the host was ever acknowledged. */
function cleanUp(deps: ServiceDeps, row: SandboxRow): void {
  void deps.background
    .run(hostOf(deps, row).deleteVm({ sandboxId: row.id, epoch: BigInt(row.epoch) }, {}))
    .catch((error: unknown) => deps.log.warn("vm.cleanup_delayed", { sandbox: row.id, error }));
}
