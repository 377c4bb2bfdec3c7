/** What a VM is started from: a template of the host's images, or a snapshot. */
import { problem } from "@daytonah/lib/problem.ts";
import type { VmEvent } from "./personalize.ts";
import type { StartVm } from "./start-vm.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmImages, VmPlan, VmSizes } from "./vm-record.ts";

const mib = 1024 * 1024;

export interface StartSource extends VmSizes {
  readonly images: VmImages;
  readonly env: Readonly<Record<string, string>>;
  readonly event: VmEvent;
  /** Folder of the memory it goes on from. */
  readonly memory?: string;
  /** What its disk takes at once. */
  readonly takesDiskMib: number;
  makeDisk(plan: VmPlan, signal: AbortSignal): Promise<void>;
  /** Lets a snapshot be deleted again. */
  release(): void;
}

export async function sourceOfStart(deps: VmDeps, start: StartVm): Promise<StartSource> {
  return start.snapshotId === undefined ? templateSource(deps, start) : snapshotSource(deps, start, start.snapshotId);
}

function templateSource({ images, files, store }: VmDeps, start: StartVm): StartSource {
  const template = images.template(start.template);
  if (!template) {
    throw problem("TEMPLATE_NOT_FOUND", `This host has no template ${start.template}.`, {
      metadata: { template: start.template },
    });
  }
  const { bundle } = images;
  const takesDiskMib = Math.ceil(template.sizeBytes / mib);
  return {
    ...{ vcpus: start.vcpus, memoryMib: start.memoryMib, diskMib: Math.max(start.diskMib, takesDiskMib) },
    images: {
      kernel: bundle.kernel.sha256,
      initramfs: bundle.initramfs.sha256,
      moduleDisk: bundle.moduleDisk.sha256,
      root: template.sha256,
    },
    ...{ env: start.env, event: "started", takesDiskMib },
    makeDisk: (plan, signal) =>
      files.makeRootDisk(
        images.pathOf(template.sha256),
        store.rootDiskOf(plan.sandboxId),
        plan.diskMib,
        plan.slot,
        signal,
      ),
    release: () => undefined,
  };
}

async function snapshotSource(deps: VmDeps, start: StartVm, snapshotId: string): Promise<StartSource> {
  const { files, store, snapshots } = deps;
  const use = snapshots.use(snapshotId);
  try {
    const { manifest, disk, memory } = use.snapshot;
    const { vcpus, memoryMib, diskMib, images } = manifest;
    return {
      ...{ vcpus, memoryMib, diskMib, images },
      env: { ...manifest.env, ...start.env },
      event: "forked",
      ...(memory === undefined ? {} : { memory }),
      takesDiskMib: await files.copyTakesMib(disk),
      makeDisk: (plan, signal) =>
        files.makeRootDisk(disk, store.rootDiskOf(plan.sandboxId), plan.diskMib, plan.slot, signal),
      release: () => use[Symbol.dispose](),
    };
  } catch (error) {
    use[Symbol.dispose]();
    throw error;
  }
}
