import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Witness } from "./testing/chaos/witness.ts";

/** Of VMs that are nobody's: between those of any platform. */
const uid = 1_800_000_000;
const host = (id: string, epoch?: number) => ({
  id,
  isVm: (vm: { uid: number }) => vm.uid === uid,
  epochOf: () => epoch,
});

/** A VM that runs its firmware, round and round. */
function startVm(sandboxId: string): ChildProcess {
  const argv = [
    "-name",
    `guest=${sandboxId}`,
    "-nodefaults",
    "-display",
    "none",
    "-S",
    "-qmp",
    "stdio",
    "-accel",
    "tcg",
    "-m",
    "64",
  ];
  const boot = ["-device", "VGA", "-boot", "reboot-timeout=0"];
  const vm = spawn("qemu-system-x86_64", [...argv, ...boot], { uid, gid: uid, stdio: ["pipe", "ignore", "inherit"] });
  vm.stdin?.write('{"execute":"qmp_capabilities"}\n');
  onTestFinished(() => void vm.kill("SIGKILL"));
  return vm;
}

const tell = (vm: ChildProcess, execute: string) => vm.stdin?.write(`{"execute":"${execute}"}\n`);

async function sightingsGrow(witness: Witness, by: number): Promise<void> {
  const goal = witness.sightings + by;
  while (witness.sightings < goal) await sleep(50);
}

test("two VMs of one sandbox are seen when both are alive, and not while one stands still", {
  timeout: 60_000,
}, async () => {
  using witness = new Witness([host("a")]);
  const [first, second] = [startVm("twice"), startVm("twice")];
  tell(first, "cont");
  await sightingsGrow(witness, 4);
  expect([...witness.violations]).toEqual([]);
  tell(first, "stop");
  tell(second, "cont");
  await sightingsGrow(witness, 4);
  expect([...witness.violations]).toEqual([]);
  tell(first, "cont");
  while (witness.violations.size === 0) await sleep(50);
  expect([...witness.violations]).toEqual([expect.stringContaining(`2 VMs of twice are alive`)]);
});

test("an epoch that comes back, or runs on another host, is seen", { timeout: 60_000 }, async () => {
  tell(startVm("back"), "cont");
  const said = { ...host("a"), epoch: 2, epochOf: () => said.epoch };
  using witness = new Witness([said]);
  await sightingsGrow(witness, 2);
  said.epoch = 1;
  while (witness.violations.size === 0) await sleep(50);
  expect([...witness.violations]).toEqual(["back ran as 1 on a after 2 on a"]);
});
