/** A disk that fills up while something arrives. */
import { execFileSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exportSnapshot, exportVm } from "../vm/export-vm.ts";
import { importSnapshot } from "../vm/import-snapshot.ts";
import { importVm } from "../vm/import-vm.ts";
import { pauseVm } from "../vm/pause-vm.ts";
import { sealVm } from "../vm/seal-vm.ts";
import { snapshotVm } from "../vm/snapshot-vm.ts";
import { startVm } from "../vm/start-vm.ts";
import { failureOf } from "../vm/testing/failure-of.ts";
import { lifeHost, startOf } from "../vm/testing/test-host.ts";

const { signal } = new AbortController();
const mib = 1024 * 1024;

function smallDisk(dir: string): Disposable {
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", dir]);
  return { [Symbol.dispose]: () => void execFileSync("umount", [dir]) };
}

test("a VM or a snapshot that the disk has no room for is refused, leaves nothing, and comes when there is room", async () => {
  await using from = await lifeHost();
  await using to = await lifeHost();
  await startVm(from.deps, startOf("one", { diskMib: 16 }));
  await from.writeDisk("one", "x".repeat(8 * mib));
  await snapshotVm(from.deps, { sandboxId: "one", epoch: 1, snapshotId: "snap_a" });
  await pauseVm(from.deps, "one", 1);
  await sealVm(from.deps, "one", 1);
  const takeVm = async () => {
    const { output } = await exportVm(from.deps, { sandboxId: "one", epoch: 1 }, { signal });
    await importVm(to.deps, { sandboxId: "one", epoch: 2 }, output, { signal });
  };
  const takeSnapshot = async () => {
    const { output } = await exportSnapshot(from.deps, "snap_a", { signal });
    await importSnapshot(to.deps, "snap_a", output, { signal });
  };
  for (const [folder, take] of [
    ["moves", takeVm],
    ["snapshots", takeSnapshot],
  ] as const) {
    const dir = join(to.dataDir, folder);
    {
      using _small = smallDisk(dir);
      expect((await failureOf(take())).reason).toBe("HOST_NO_SPACE");
      expect(await readdir(dir)).toEqual([]);
    }
    await take();
  }
  expect((await to.left()).vms).toEqual(["one"]);
  expect(await to.snapshots()).toEqual(["snap_a"]);
});
