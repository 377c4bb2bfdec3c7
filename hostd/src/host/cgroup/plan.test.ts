import { expect, test } from "vitest";
import { planCgroup } from "./plan.ts";

const limits = { cpus: 1.5, memoryBytes: 600 * 1024 * 1024, pids: 64 };

test("limits every controller the host has", () => {
  const steps = planCgroup("/sys/fs/cgroup/daytonah", "vm-7", limits, ["cpu", "memory", "pids"]);
  const text = steps.map((one) => (one.step === "mkdir" ? `mkdir ${one.path}` : `${one.path} = ${one.text}`));
  expect(text).toEqual([
    "mkdir /sys/fs/cgroup/daytonah",
    "/sys/fs/cgroup/daytonah/cgroup.subtree_control = +cpu +memory +pids",
    "mkdir /sys/fs/cgroup/daytonah/vm-7",
    "/sys/fs/cgroup/daytonah/vm-7/cpu.max = 150000 100000",
    "/sys/fs/cgroup/daytonah/vm-7/memory.max = 629145600",
    "/sys/fs/cgroup/daytonah/vm-7/memory.oom.group = 1",
    "/sys/fs/cgroup/daytonah/vm-7/pids.max = 64",
  ]);
});

test("touches nothing of a controller the host lacks", () => {
  const steps = planCgroup("/c", "vm-7", limits, ["pids"]);
  expect(JSON.stringify(steps)).not.toMatch(/cpu|memory/);
});
