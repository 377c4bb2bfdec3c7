import { userInfo } from "node:os";
import { expect, test } from "vitest";
import { claimVm } from "../vm/claim-vm.ts";
import { keepWarmTag, StandbyKeeper } from "../vm/standby-keeper.ts";
import { lastingVm } from "./testing/lasting-vm.ts";

test("a VM that waits in a pool runs a tiny program every round, until it is claimed; its owner never sees any", async () => {
  await using vm = await lastingVm({}, { standby: true });
  const keeper = new StandbyKeeper(vm.host.deps, userInfo().username);
  const ran = async () => {
    const call = { case: "listProcesses" as const, value: { includeExited: true } };
    const { signal } = new AbortController();
    const { processes } = (await vm.entry.live?.agent.unary(call, "processList", { signal })) ?? expect.fail();
    return processes.map(({ tag, exited }) => [tag, exited?.exitCode]);
  };
  await Promise.all([keeper.round(), keeper.round()]); // the second joins
  await keeper.round();
  expect(await ran()).toEqual([
    [keepWarmTag, 0],
    [keepWarmTag, 0],
  ]);
  await claimVm(vm.host.deps, { sandboxId: "one", epoch: 2, env: {}, requestId: "" });
  await keeper.round();
  expect(await ran()).toHaveLength(2);
  expect(await vm.processes.listProcesses({ includeExited: true }, { headers: vm.headers })).toMatchObject({
    processes: [],
  });
});
