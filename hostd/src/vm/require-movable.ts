/** Whether what another host says of a VM or a snapshot is sound, and this host has what it is made of. */
import { problem } from "@daytonah/lib/problem.ts";
import type { ImageStore } from "../images/image-store.ts";
import { badArchive } from "../moves/unpack.ts";
import type { VmImages, VmSizes } from "./vm-record.ts";

export interface Movable extends VmSizes {
  readonly template: string;
  readonly images: VmImages;
  readonly env?: Readonly<Record<string, string>>;
}

/** As StartVm has them; what became of a disk may be larger than a start's. */
const limits = { vcpus: 64, memoryMib: 262_144, diskMib: 1 << 26 } as const satisfies VmSizes;

export async function requireMovable(images: ImageStore, movable: Movable): Promise<void> {
  const sizes = Object.keys(limits) as (keyof VmSizes)[];
  const wrong = sizes.find((name) => !inRange(movable[name], limits[name]));
  if (wrong) throw badArchive(`${wrong} is ${movable[wrong]}`);
  if (typeof movable.template !== "string") throw badArchive("it has no template");
  const env = Object.values(movable.env ?? {});
  if (!env.every((value) => typeof value === "string")) throw badArchive("its environment is not one of texts");
  const { kernel, initramfs, moduleDisk, root } = movable.images ?? {};
  for (const sha256 of [kernel, initramfs, moduleDisk, root]) {
    // A path is made of it.
    if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw badArchive("an image has no digest");
    if (!(await images.has(sha256))) throw lacksImage(movable.template, sha256);
  }
}

function inRange(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= max;
}

function lacksImage(template: string, sha256: string) {
  return problem("TEMPLATE_NOT_FOUND", `This host has not the images of ${template} that it was made with.`, {
    metadata: { template, image: `sha256:${sha256}` },
    nextStep: "Move it to a host that has them: one with the same bundle of images.",
  });
}
