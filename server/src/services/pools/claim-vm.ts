/** Tells the host of a VM that was claimed from a pool whose it is; where the VM is no more, starts another in its place. */
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import { startAnew } from "../../db/pool-vms.ts";
import { type SandboxRow, sandboxById } from "../../db/sandboxes.ts";
import { vmLifecycleOf } from "../../domain/lifecycle.ts";
import { vmAccessOf } from "../../domain/vm-access.ts";
import type { ServiceDeps } from "../deps.ts";
import { hostOf } from "../host-of.ts";
import { failureOf, reasonOf, stateConflict } from "../sandbox-problems.ts";
import { type Stage, stagesOf } from "../stages.ts";

export type ClaimedVm =
  | { readonly t: "claimed"; readonly stages: readonly Stage[] }
  /** The row as it is to be started now, on the same host, which has its room. */
  | { readonly t: "cold"; readonly row: SandboxRow };

/** The row is in creating and claimed by us. May be repeated after a crash. */
export async function claimVm(deps: ServiceDeps, row: SandboxRow, requestId: string): Promise<ClaimedVm> {
  const host = hostOf(deps, row);
  const id = { sandboxId: row.id, epoch: BigInt(row.epoch) };
  try {
    const told = { access: vmAccessOf(deps.tokenKey, row), lifecycle: vmLifecycleOf(row) };
    const answer = await host.claimVm({ ...id, ...told, env: row.env ?? {} }, { requestId });
    const { vm } = answer;
    if (vm?.state !== VmState.RUNNING) throw problem(reasonOf(vm?.failureReason ?? ""), vm?.failureMessage ?? "");
    return { t: "claimed", stages: stagesOf(answer) };
  } catch (error) {
    // Nobody knows what the host did.
    if (problemOf(error)?.reason === "HOST_UNAVAILABLE") throw error;
    deps.log.warn("pool.claim_failed", { sandbox: row.id, host: row.host_id, error });
    await host.deleteVm(id, { requestId });
    const anew = await startAnew(deps.db, row);
    if (anew) return { t: "cold", row: anew };
    const now = await sandboxById(deps.db, row.id);
    throw now?.state === "failed" ? failureOf(now) : stateConflict(now, row.id);
  }
}
