import { link, lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "@daytonah/lib/sleep.ts";
import type { VmConfig, VmDisk, VmHardware, VmmCallOptions } from "../vmm.ts";
import type { ChApi } from "./api-client.ts";
import { ChApiError } from "./api-error.ts";
import type { ChPaths } from "./paths.ts";
import { requireDisk, requireNet } from "./require-sound.ts";
import { UNPLUG_MS } from "./timeouts.ts";
import { chDisk, chNet, diskId, netId } from "./vm-config.ts";

export interface HardwareParts {
  readonly api: ChApi;
  readonly config: VmConfig;
  readonly paths: ChPaths;
  /** Whether the VMM said that the guest let go of a device. */
  readonly wasRemoved: (id: string) => boolean;
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

const PENDING_REMOVAL = 429;
const POLL_MS = 20;

/**
 * What changes in a VM that runs. Never the size of its memory: one that is not virtio-mem's takes a wrong size without
 * a word and writes it into the next snapshot, and one with zones refuses.
 */
export function createHardware(parts: HardwareParts): VmHardware {
  const { api, config, paths, inTurn } = parts;
  return {
    setVcpus: (vcpus, options) =>
      inTurn(async () => {
        const { maxVcpus = config.vcpus } = config;
        if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maxVcpus) {
          throw new RangeError(`vcpus is ${vcpus}, and must be from 1 to maxVcpus, which is ${maxVcpus}`);
        }
        await untilRemoved(options, (within) => api.send("vm.resize", { desired_vcpus: vcpus }, within));
      }),
    growDisk: (id, sizeBytes, options) =>
      inTurn(async () => {
        const disk = (await api.info(options)).config.disks.find((one) => one.id === diskId(id));
        if (disk === undefined || disk.readonly) {
          throw new Error(`vm ${config.id}: has no disk ${id} that may be written to`);
        }
        // By the path that we know: the VMM may say any.
        const { size } = await lstat(config.disks.find((one) => one.id === id)?.path ?? join(paths.disks, id));
        if (sizeBytes < size) {
          throw new RangeError(`disk ${id} has ${size} bytes already; images are never shrunk to ${sizeBytes}`);
        }
        await api.send("vm.resize-disk", { id: disk.id, desired_size: sizeBytes }, options);
      }),
    addDisk: (disk, options) =>
      inTurn(async () => {
        await requireDisk(disk);
        const path = await linkDisk(disk, paths);
        try {
          await api.send("vm.add-disk", chDisk({ ...disk, path }), options);
        } catch (error) {
          await rm(path);
          throw error;
        }
      }),
    addNet: (net, options) =>
      inTurn(async () => {
        if (config.nets === undefined) {
          throw new Error(`vm ${config.id}: was started to have no network device, ever`);
        }
        await requireNet(net, config.uid);
        await api.send("vm.add-net", chNet(net), options);
      }),
    removeDisk: (id, options) =>
      inTurn(async () => {
        await remove(parts, diskId(id), options);
        await rm(join(paths.disks, id), { force: true });
      }),
    removeNet: (id, options) => inTurn(() => remove(parts, netId(id), options)),
  };
}

/** Landlock lets the VMM into this folder, and into none that it was not told of at its start. */
async function linkDisk(disk: VmDisk, paths: ChPaths): Promise<string> {
  const path = join(paths.disks, disk.id);
  try {
    await link(disk.path, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EXDEV") {
      throw new Error(`${disk.path}: is on another file system than ${paths.disks}; keep both on one`, {
        cause: error,
      });
    }
    throw error;
  }
  return path;
}

/** Asks the guest to let go of a device, and waits until it did: by event, or by its absence, since events can be lost. */
async function remove(parts: HardwareParts, id: string, options: VmmCallOptions): Promise<void> {
  const { api, config, wasRemoved } = parts;
  await api.send("vm.remove-device", { id }, options);
  const late = AbortSignal.timeout(UNPLUG_MS);
  while (!wasRemoved(id) && (await api.info(options)).device_tree?.[id] !== undefined) {
    if (late.aborted) {
      throw new Error(`vm ${config.id}: the guest did not let go of ${id} within ${UNPLUG_MS} ms`);
    }
    await sleep(POLL_MS, options);
  }
}

/** While the guest is still to let go of vCPUs, no other number is taken. */
async function untilRemoved(options: VmmCallOptions, send: (options: VmmCallOptions) => Promise<void>): Promise<void> {
  const late = AbortSignal.timeout(UNPLUG_MS);
  for (;;) {
    try {
      return await send(options);
    } catch (error) {
      if (!(error instanceof ChApiError && error.status === PENDING_REMOVAL) || late.aborted) {
        throw error;
      }
    }
    await sleep(POLL_MS, options);
  }
}
