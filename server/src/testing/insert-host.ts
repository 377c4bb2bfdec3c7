/** A host's row, without any daemon. */
import { admitHost, saveHost } from "../db/hosts.ts";
import type { Db } from "../db/schema.ts";

export interface HostOffer {
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly diskFreeMib?: number;
  /** MiB of the disk of each template. */
  readonly templates?: Readonly<Record<string, number>>;
  readonly cpuClass?: string;
  readonly vmOverheadMib?: number;
}

export async function insertHost(db: Db, id: string, offer: HostOffer = {}): Promise<void> {
  const { vcpus = 64, memoryMib = 65_536, diskFreeMib = 1_000_000, templates = { base: 2048 } } = offer;
  await admitHost(db, { id, url: "", tlsName: "", again: false });
  await saveHost(db, {
    ...{ id, vcpus, architecture: "x86_64", driver: "fake", hardwareIsolated: true, version: "0", instanceId: "1" },
    memoryMib: BigInt(memoryMib),
    diskFreeMib: BigInt(diskFreeMib),
    templates: Object.entries(templates).map(([name, diskMib]) => {
      return { name, diskMib, digest: `sha256:${name}`, description: "For tests.", packages: {} };
    }),
    vmOverheadMib: offer.vmOverheadMib ?? 48,
    edgeUrl: "",
    cpuClass: offer.cpuClass ?? "",
    memoryShared: true,
    diskShared: true,
  });
}
