/** Ends what clusters left whose test was killed; one whose programs run is left alone. */
import { execFileSync } from "node:child_process";
import { globSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { endVms, platformProcesses, testFirstUid } from "../../../../tools/src/sweep-test-platforms.ts";
import { guestMemories, memoryDir, mounts, vmProcesses } from "../machine.ts";
import { removeNetwork } from "./network.ts";

/** Not below a home folder: the VMs' own users must get through to their files. */
export const clusterPrefix = "/var/tmp/dnah-chaos-";

export const clusterRunDirOf = (dataDir: string) => join("/run", basename(dataDir));

/** Of the network's devices: what an interface may be called has 15 characters. */
export const networkNameOf = (dataDir: string) => `dnah-${dataDir.slice(clusterPrefix.length)}`;

export function sweepClusters(): void {
  for (const dataDir of globSync(`${clusterPrefix}*`)) {
    const firstUids = globSync(join(dataDir, "host*/")).map(testFirstUid).filter(Number.isSafeInteger);
    if (platformProcesses(dataDir, firstUids).length > 0) continue;
    for (const firstUid of firstUids) {
      endVms(firstUid);
      while (vmProcesses(firstUid).length > 0);
      for (const name of guestMemories(firstUid)) rmSync(join(memoryDir, name), { recursive: true, force: true });
    }
    for (const mount of mounts().map((line) => line.split(" ")[1] as string)) {
      if (mount.startsWith(`${dataDir}/`)) execFileSync("umount", [mount]);
    }
    removeNetwork(networkNameOf(dataDir));
    rmSync(clusterRunDirOf(dataDir), { recursive: true, force: true });
    rmSync(dataDir, { recursive: true, force: true });
  }
}
