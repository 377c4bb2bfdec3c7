import { expect, test } from "vitest";
import { planCopy } from "./plan.ts";

const owner = { uid: 70_000, gid: 70_000 };

test("a copy is made beside its place and moved there last", () => {
  const desired = { source: "/images/base.ext4", target: "/vms/a/root", sizeBytes: 4096, owner };
  expect(planCopy(desired, "reflink")).toEqual([
    { step: "remove", path: "/vms/a/root.draft" },
    { step: "reflink", source: "/images/base.ext4", target: "/vms/a/root.draft" },
    { step: "grow", path: "/vms/a/root.draft", sizeBytes: 4096 },
    { step: "chmod", path: "/vms/a/root.draft", mode: 0o600 },
    { step: "chown", path: "/vms/a/root.draft", owner },
    { step: "rename", from: "/vms/a/root.draft", to: "/vms/a/root" },
  ]);
});

test("without reflinks zeros become holes", () => {
  const desired = { source: "-odd", target: "/t", owner, mode: 0o640 };
  const steps = planCopy(desired, "sparse");
  expect(steps[1]).toEqual({
    step: "run",
    argv: ["cp", "--reflink=auto", "--sparse=always", "--", "-odd", "/t.draft"],
  });
  expect(steps[2]).toEqual({ step: "chmod", path: "/t.draft", mode: 0o640 });
});
