import { afterAll, expect, test } from "vitest";
import { processesOfUid } from "../host/process-table.ts";
import { makeChHarness } from "../vmm/cloud-hypervisor/testing/harness.ts";
import { standIn } from "../vmm/cloud-hypervisor/testing/stand-in-subject.ts";
import { pingUntilAnswered } from "../vmm/testing/guest-call.ts";
import { adoptVms } from "./adopt-vms.ts";
import { deleteVm } from "./delete-vm.ts";
import { exportVm } from "./export-vm.ts";
import { importVm } from "./import-vm.ts";
import { pauseVm } from "./pause-vm.ts";
import { resumeVm } from "./resume-vm.ts";
import { sealVm, unsealVm } from "./seal-vm.ts";
import { startVm } from "./start-vm.ts";
import { lifeHost, startOf } from "./testing/test-host.ts";

const signal = AbortSignal.timeout(60_000);
const harness = makeChHarness(standIn());
afterAll(async () => (await harness)[Symbol.asyncDispose]());

test("a daemon's VM under Cloud Hypervisor starts, outlives the daemon, and leaves nothing when it is deleted", async () => {
  const { createVmm } = await harness;
  const vmm = createVmm();
  await using host = await lifeHost(vmm);
  const record = await startVm(host.deps, startOf("one"));
  expect(record).toMatchObject({ state: "running", handle: { driver: "cloud-hypervisor" } });
  const uid = host.deps.files.uidOf(record.slot);
  expect(processesOfUid(uid).length).toBeGreaterThan(0);

  vmm.close(); // as a daemon that ends
  const next = await host.restart();
  expect(await adoptVms(next, { signal })).toMatchObject({ adopted: 1, died: 0, strays: 0, unswept: 0 });
  const live = next.registry.get("one")?.live;
  await pingUntilAnswered(live?.vm.vsockPath as string, signal);

  await deleteVm(next, "one", 1);
  expect(processesOfUid(uid)).toEqual([]);
  expect(await host.left()).toEqual({ vms: [], runDirs: [] });
});

test("one that was moved is restored from the memory that came with it", async () => {
  const { createVmm } = await harness;
  await using from = await lifeHost(createVmm());
  await using to = await lifeHost(createVmm());
  await startVm(from.deps, startOf("one"));
  await pauseVm(from.deps, "one", 1);
  await sealVm(from.deps, "one", 1);
  const { output } = await exportVm(from.deps, { sandboxId: "one", epoch: 1 }, { signal });
  await importVm(to.deps, { sandboxId: "one", epoch: 2 }, output, { signal });
  await deleteVm(from.deps, "one", 1);
  await unsealVm(to.deps, "one", 2);
  const resumed = await resumeVm(to.deps, { sandboxId: "one", epoch: 3, requestId: "" });
  expect(resumed).toMatchObject({ state: "running", stages: [{ stage: "restore" }, {}, {}] });
  await pingUntilAnswered(to.deps.registry.get("one")?.live?.vm.vsockPath as string, signal);
  await deleteVm(to.deps, "one", 3);
});
