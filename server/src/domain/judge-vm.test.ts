import { expect, test } from "vitest";
import { judgeVm, type ReportedVm, type WantedSandbox } from "./judge-vm.ts";
import { sandboxStates } from "./sandbox-state.ts";

const vmStates = ["starting", "running", "pausing", "paused", "resuming", "failed", "deleted"] as const;
const vm = (state: ReportedVm["state"], epoch = 1n): ReportedVm => ({
  ...{ hostId: "h1", epoch, state, expired: false, sealed: false, lifecycleVersion: 1 },
});
const row = (state: WantedSandbox["state"], epoch = 1n, hostId: string | null = "h1"): WantedSandbox => ({
  ...{
    state,
    epoch,
    hostId,
    transferred: false,
    otherHostId: null,
    lifecycleVersion: 1,
    ofPool: state === "filling" || state === "pooled",
  },
});

test("the table of verdicts for a VM of the sandbox's epoch and host", () => {
  const table = sandboxStates.map((state) => {
    const verdicts = vmStates
      .map((of) => [of, judgeVm(row(state), vm(of))])
      .filter(([, verdict]) => verdict !== "none")
      .map(([of, verdict]) => `${of}: ${verdict}`);
    return `${state}: ${verdicts.join(", ") || "none"}`;
  });
  expect(table.join("\n")).toMatchInlineSnapshot(`
    "filling: none
    pooled: pausing: discard, paused: discard, resuming: discard, failed: discard, deleted: discard
    creating: failed: fail
    running: paused: follow, failed: fail, deleted: fail
    pausing: failed: fail, deleted: fail
    paused: running: follow, failed: fail, deleted: fail
    archiving: none
    archived: none
    resuming: failed: fail
    lost: running: recover, paused: follow, failed: fail, deleted: fail
    failed: running: follow, paused: follow
    deleting: none
    deleted: running: stop"
  `);
});

test("a pool's VM that is somebody's on its host is let go, not ended; one that is being claimed is the claim's", () => {
  expect(judgeVm(row("pooled", 1n), vm("running", 2n))).toBe("disown");
  const claimed = { ...row("creating", 2n), ofPool: true };
  for (const of of vmStates) {
    for (const epoch of [1n, 2n]) expect(judgeVm(claimed, vm(of, epoch))).toBe("none");
  }
});

test("a VM without a row is nobody's to delete", () => {
  expect(judgeVm(undefined, vm("running"))).toBe("unknown");
  expect(judgeVm(undefined, vm("deleted"))).toBe("none");
});

test("a VM of a sandbox that is on another host, or on none, is deleted", () => {
  expect(judgeVm(row("running", 1n, "h2"), vm("running"))).toBe("delete");
  expect(judgeVm(row("failed", 1n, null), vm("failed"))).toBe("delete");
  expect(judgeVm(row("deleted", 1n, null), vm("paused"))).toBe("delete");
});

test("a VM of an older epoch is old news, and never deleted: it may be all that there is", () => {
  for (const state of sandboxStates.filter((of) => of !== "deleted")) {
    for (const of of vmStates) expect(judgeVm(row(state, 2n), vm(of))).toBe("none");
  }
});

test("a host that is ahead of the row is followed, but for one that a server is moving", () => {
  expect(judgeVm(row("running", 1n), vm("paused", 2n))).toBe("follow");
  expect(judgeVm(row("paused", 1n), vm("running", 2n))).toBe("follow");
  expect(judgeVm(row("resuming", 1n), vm("running", 2n))).toBe("none");
});

test("a copy is left alone while it is made or removed by a move to another host, and is unsealed when that is over", () => {
  const copying = { ...row("paused"), transferred: true, otherHostId: "h2" };
  const [sealed, copy] = [
    { ...vm("paused"), sealed: true },
    { ...vm("paused", 2n), sealed: true, hostId: "h2" },
  ];
  expect([judgeVm(copying, sealed), judgeVm(copying, copy)]).toEqual(["none", "none"]);
  const givenUp = row("paused");
  expect([judgeVm(givenUp, sealed), judgeVm(givenUp, copy)]).toEqual(["unseal", "delete"]);
  const switched = row("paused", 2n, "h2");
  expect([judgeVm(switched, sealed), judgeVm(switched, copy)]).toEqual(["delete", "unseal"]);
});

test("a sandbox whose time was over is deleted, unless that was put off since", () => {
  const expired = { ...vm("paused"), expired: true };
  expect(judgeVm(row("running"), expired)).toBe("expire");
  expect(judgeVm(row("paused"), expired)).toBe("expire");
  expect(judgeVm({ ...row("running"), lifecycleVersion: 2 }, expired)).toBe("follow");
});
