/** The move of a sandbox to another host, from wherever it stands. May be repeated after a crash: docs/many-hosts.md. */
import { problemOf } from "@daytonah/lib/problem.ts";
import type { SandboxRow } from "../../db/sandboxes.ts";
import { noteRefusal } from "../../db/transfer-failures.ts";
import { endTransfer, forgetHostOf, giveUpTransfer, switchHost } from "../../db/transfers.ts";
import type { ServiceDeps } from "../deps.ts";
import { hostOf } from "../host-of.ts";
import { move } from "../move.ts";
import { finishPause } from "../pause-sandbox.ts";
import { finishResume } from "../resume-sandbox.ts";
import { copyOrGiveUp } from "./copy-or-give-up.ts";
import { landTransfer } from "./land-transfer.ts";

const copying = { copy: copyAcross, giveUp: giveUpTransfer };

/** The row is being transferred, claimed by us. What it throws is tried again by the loop drain-hosts. */
export async function runTransfer(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  using _ = deps.claims.hold(row.id);
  const landing = row.transfer === "copying" ? await copyOrGiveUp(deps, row, { sandbox: row.id }, copying) : row;
  const landed = landing?.transfer === "landing" ? await landTransfer(deps, landing) : landing;
  if (landed?.transfer === "resuming") await runAgain(deps, landed);
}

async function copyAcross(deps: ServiceDeps, row: SandboxRow): Promise<SandboxRow | undefined> {
  const paused = await standStill(deps, row);
  return paused && (await copyPaused(deps, paused));
}

/** Paused, with what it has on disk. */
async function standStill(deps: ServiceDeps, row: SandboxRow): Promise<SandboxRow | undefined> {
  const { id, epoch, state } = row;
  if (state === "pausing") return (await finishPause(deps, row, "")).row;
  if (state !== "failed") return row;
  const vm = await hostOf(deps, row).stopVm({ sandboxId: id, epoch: BigInt(epoch) }, {});
  if (vm) return move(deps, { id, epoch, to: "paused", from: ["failed"], memoryKept: vm.memoryKept });
  await forgetHostOf(deps.db, row); // there is nothing to move
  return undefined;
}

async function copyPaused(deps: ServiceDeps, row: SandboxRow): Promise<SandboxRow | undefined> {
  const { id: sandboxId, epoch, transfer_host_id: hostId, transfer_epoch } = row;
  const [from, to] = [hostOf(deps, row), hostOf(deps, { id: sandboxId, host_id: hostId })];
  const source = { sandboxId, epoch: BigInt(epoch) };
  await from.sealVm(source, {});
  const bytes = await from.readCopy(source, {});
  await to.writeCopy({ sandboxId, epoch: BigInt(transfer_epoch) }, bytes, {}).catch(async (error: unknown) => {
    // One that is silent is no longer chosen as soon as that is known.
    if (problemOf(error)?.reason !== "HOST_UNAVAILABLE") await noteRefusal(deps.db, sandboxId, to.hostId);
    throw error;
  });
  // Once more: a server that was taken for dead may have given it up meanwhile.
  await from.sealVm(source, {});
  const switched = await switchHost(deps.db, row);
  deps.onMoved(sandboxId);
  return switched;
}

/** Where it can't, it stays paused: whoever resumes it is told why. */
async function runAgain(deps: ServiceDeps, row: SandboxRow): Promise<void> {
  const { id, epoch } = row;
  const resuming = await move(deps, { id, epoch, to: "resuming", from: ["paused"], keepsTime: true });
  try {
    if (resuming) await finishResume(deps, resuming, "");
  } catch (error) {
    deps.log.warn("transfer.not_resumed", { sandbox: id, host: row.host_id, error });
  }
  await endTransfer(deps.db, row);
}
