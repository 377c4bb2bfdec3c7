import { expect, test } from "vitest";
import { judgeVm, type ReportedVm } from "./judge-vm.ts";
import { sandboxStates } from "./sandbox-state.ts";

const vmStates = ["starting", "running", "failed", "deleted"] as const;
const vm = (state: ReportedVm["state"], epoch = 1n): ReportedVm => ({ hostId: "h1", epoch, state });

test("the table of verdicts for a VM of the sandbox's epoch and host", () => {
  const table = sandboxStates.map((state) => {
    const verdicts = vmStates.map((of) => `${of}: ${judgeVm({ state, epoch: 1n, hostId: "h1" }, vm(of))}`);
    return `${state.padEnd(9)} ${verdicts.join(", ")}`;
  });
  expect(table.join("\n")).toMatchInlineSnapshot(`
    "creating  starting: none, running: none, failed: fail, deleted: none
    running   starting: none, running: none, failed: fail, deleted: fail
    pausing   starting: none, running: none, failed: fail, deleted: none
    paused    starting: none, running: none, failed: fail, deleted: none
    archiving starting: none, running: none, failed: fail, deleted: none
    archived  starting: none, running: none, failed: fail, deleted: none
    resuming  starting: none, running: none, failed: fail, deleted: none
    lost      starting: none, running: recover, failed: fail, deleted: fail
    failed    starting: delete, running: delete, failed: none, deleted: none
    deleting  starting: none, running: none, failed: none, deleted: none
    deleted   starting: delete, running: delete, failed: delete, deleted: none"
  `);
});

test("a VM without a row is nobody's to delete", () => {
  expect(judgeVm(undefined, vm("running"))).toBe("unknown");
  expect(judgeVm(undefined, vm("deleted"))).toBe("none");
});

test("a VM of another host or of an older epoch is deleted", () => {
  expect(judgeVm({ state: "running", epoch: 1n, hostId: "h2" }, vm("running"))).toBe("delete");
  expect(judgeVm({ state: "failed", epoch: 1n, hostId: null }, vm("failed"))).toBe("delete");
  expect(judgeVm({ state: "running", epoch: 2n, hostId: "h1" }, vm("running"))).toBe("delete");
});

test("a VM of a higher epoch is left alone", () => {
  expect(judgeVm({ state: "running", epoch: 1n, hostId: "h1" }, vm("running", 2n))).toBe("none");
});
