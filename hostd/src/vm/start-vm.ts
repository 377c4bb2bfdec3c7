/** Starts a VM. Idempotent by (sandbox, epoch): a repeat joins the start under way, or answers with its result. */
import { randomBytes } from "node:crypto";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { withDeadline } from "@daytonah/lib/deadline.ts";
import { type Problem, problem, problemOf } from "@daytonah/lib/problem.ts";
import { awaitAgent } from "../guest/await-agent.ts";
import type { Vm, VmConfig } from "../vmm/vmm.ts";
import { requireRoom } from "./capacity.ts";
import { guestCmdline } from "./guest-cmdline.ts";
import { superviseVm, sweepVm } from "./supervise-vm.ts";
import { makeVmCgroup } from "./vm-cgroup.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { StageTime, VmAccess, VmFailure, VmRecord } from "./vm-record.ts";
import type { VmEntry } from "./vm-registry.ts";

export interface StartVm {
  readonly sandboxId: string;
  readonly epoch: number;
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** The template's size where 0. */
  readonly diskMib: number;
  /** Not written down: it may hold secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly access?: VmAccess;
  readonly requestId: string;
}

const mib = 1024 * 1024;

/**
 * Resolves with the running VM's record. The start goes on where its caller goes away: a repeat finds it, and a
 * delete ends it.
 */
export async function startVm(deps: VmDeps, start: StartVm): Promise<VmRecord> {
  const joined = joinStart(deps, start);
  if (joined) return joined;
  const template = deps.images.template(start.template);
  if (!template) {
    throw problem("TEMPLATE_NOT_FOUND", `This host has no template ${start.template}.`, {
      metadata: { template: start.template },
    });
  }
  const templateMib = Math.ceil(template.sizeBytes / mib);
  const diskMib = Math.max(start.diskMib, templateMib);
  const disk = await deps.store.freeDiskMib();
  const raced = joinStart(deps, start); // another call may have come while this one asked for the disk
  if (raced) return raced;
  requireRoom(
    deps.size,
    deps.registry.entries().map(({ record }) => record),
    disk,
    { ...start, diskMib: templateMib },
  );
  const { bundle } = deps.images;
  const entry = deps.registry.reserve({
    sandboxId: start.sandboxId,
    epoch: start.epoch,
    vcpus: start.vcpus,
    memoryMib: start.memoryMib,
    diskMib,
    template: start.template,
    images: {
      kernel: bundle.kernel.sha256,
      initramfs: bundle.initramfs.sha256,
      moduleDisk: bundle.moduleDisk.sha256,
      root: template.sha256,
    },
    ...(start.access ? { access: start.access } : {}),
  });
  const abort = new AbortController();
  const result = runStart(deps, entry, start, abort.signal);
  entry.start = { result, abort };
  return result;
}

function joinStart({ registry, store }: VmDeps, { sandboxId, epoch }: StartVm): Promise<VmRecord> | undefined {
  const buried = store.tombstone(sandboxId);
  if (epoch <= buried) throw superseded(sandboxId, epoch, buried, "deleted");
  const entry = registry.get(sandboxId);
  if (!entry) return undefined;
  const { record } = entry;
  if (epoch < record.epoch) throw superseded(sandboxId, epoch, record.epoch, record.state);
  if (epoch > record.epoch || record.state === "deleting" || entry.deletion) {
    throw problem(
      "SANDBOX_STATE_CONFLICT",
      `The host still has epoch ${record.epoch} of ${sandboxId}: delete it first.`,
      {
        metadata: { sandbox_id: sandboxId, state: record.state },
      },
    );
  }
  if (record.state === "failed") return Promise.reject(failureProblem(record.failure));
  return record.state === "starting" && entry.start ? entry.start.result : Promise.resolve(record);
}

function superseded(sandboxId: string, epoch: number, last: number, state: string): Problem {
  return problem("SANDBOX_NOT_RUNNING", `Epoch ${epoch} of ${sandboxId} is over; the last is ${last}.`, {
    metadata: { sandbox_id: sandboxId, state, epoch: String(last) },
  });
}

export function failureProblem(failure: VmFailure): Problem {
  return problem(failure.reason, failure.message, { metadata: failure.metadata });
}

async function runStart(deps: VmDeps, entry: VmEntry, start: StartVm, signal: AbortSignal): Promise<VmRecord> {
  const began = performance.now();
  const stages = new Stages();
  try {
    await deps.registry.persist(entry);
    const config = await stages.time("disk", () => makeDisk(deps, entry, signal));
    const record = await bootAndGreet(deps, entry, config, start, stages, signal);
    deps.log.info("vm.started", {
      vm: entry.sandboxId,
      epoch: start.epoch,
      ms: performance.now() - began,
      stages: stages.done,
    });
    return record;
  } catch (error) {
    const failure = failureOf(entry.sandboxId, stages.current, signal.aborted ? signal.reason : error);
    await sweepVm(deps, entry);
    await deps.store.removeRootDisk(entry.sandboxId);
    if (!signal.aborted) await deps.registry.move(entry, { state: "failed", failure });
    deps.log.warn("vm.start.failed", { vm: entry.sandboxId, epoch: start.epoch, stage: stages.current, error });
    throw problem(failure.reason, failure.message, { metadata: failure.metadata, cause: error });
  }
}

async function makeDisk(deps: VmDeps, entry: VmEntry, signal: AbortSignal): Promise<VmConfig> {
  const { files, images, store } = deps;
  const { record } = entry;
  const disk = store.rootDiskOf(record.sandboxId);
  const steps = [
    files.makeRunDir(record.slot),
    makeVmCgroup(deps, record),
    files.makeRootDisk(images.pathOf(record.images.root), disk, record.diskMib, record.slot, signal),
  ] as const;
  // All of them, also where one fails: what is taken back then must not be made once more behind that.
  await Promise.allSettled(steps);
  const [dir, cgroup] = await Promise.all(steps);
  return {
    id: record.sandboxId,
    dir,
    uid: files.uidOf(record.slot),
    gid: files.uidOf(record.slot),
    ...(cgroup === undefined ? {} : { cgroup }),
    vcpus: record.vcpus,
    memoryMib: record.memoryMib,
    kernel: images.pathOf(record.images.kernel),
    initramfs: images.pathOf(record.images.initramfs),
    cmdline: guestCmdline(images.bundle.moduleDisk.filesystem),
    disks: [
      { id: "root", path: disk, readonly: false },
      { id: "modules", path: images.pathOf(record.images.moduleDisk), readonly: true },
    ],
  };
}

async function bootAndGreet(
  deps: VmDeps,
  entry: VmEntry,
  config: VmConfig,
  start: StartVm,
  stages: Stages,
  signal: AbortSignal,
): Promise<VmRecord> {
  const { bootMs } = deps.limits;
  using deadline = withDeadline(signal, bootMs, () => new Error(`the VM was not up after ${bootMs} ms`));
  const vm = await stages.time("vmm", () => deps.vmm.boot(config, deadline));
  try {
    const agent = deps.agentAt(vm.vsockPath);
    using alive = endWith(vm, deadline.signal);
    await stages.time("agent", () => awaitAgent(agent, alive));
    await stages.time("personalize", () =>
      agent.unary(personalizeCall(deps, start), "personalized", { ...alive, ...start }),
    );
    const record = await deps.registry.move(entry, { state: "running", handle: vm.handle, stages: stages.done });
    superviseVm(deps, entry, vm, agent);
    return record;
  } catch (error) {
    await vm.kill();
    throw error;
  }
}

/** A signal that aborts when the VM ends too. */
function endWith(vm: Vm, signal: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort);
  void vm.exited.then((exit) => {
    ended.abort(new Error(`the VMM ended (${exit.kind})${exit.kind === "died" ? `: ${exit.detail}` : ""}`));
  });
  return { signal: ended.signal, [Symbol.dispose]: () => signal.removeEventListener("abort", onAbort) };
}

function personalizeCall(deps: VmDeps, start: StartVm) {
  const value = {
    sandboxId: start.sandboxId,
    epoch: BigInt(start.epoch),
    hostname: start.sandboxId,
    env: { ...start.env },
    wallClock: timestampFromDate(deps.now()),
    entropy: randomBytes(64),
    defaultUser: "user",
    newMachineId: true,
  };
  return { case: "personalize" as const, value };
}

function failureOf(sandboxId: string, stage: string, error: unknown): VmFailure {
  const known = problemOf(error);
  const metadata = { sandbox_id: sandboxId, stage };
  if (known?.reason === "HOST_NO_SPACE" || known?.reason === "SANDBOX_STATE_CONFLICT") {
    return { reason: known.reason, message: known.message, metadata };
  }
  return { reason: "BOOT_FAILED", message: `The sandbox's VM did not come up: stage ${stage} failed.`, metadata };
}

/** The time of each stage, and which one runs. */
class Stages {
  readonly done: StageTime[] = [];
  current: StageTime["stage"] = "disk";

  async time<T>(stage: StageTime["stage"], work: () => Promise<T>): Promise<T> {
    this.current = stage;
    const began = performance.now();
    const result = await work();
    this.done.push({ stage, ms: performance.now() - began });
    return result;
  }
}
