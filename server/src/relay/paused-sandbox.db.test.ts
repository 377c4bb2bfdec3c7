import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { testServer } from "../testing/test-server.ts";

test("a call to a paused sandbox goes to its host where it resumes by itself, and is SANDBOX_PAUSED where not", async () => {
  const plane = createDataPlane();
  await using server = await testServer({ routes: plane.routes });
  const sandboxes = server.client(SandboxService);
  const create = async (autoResume: boolean) =>
    (await sandboxes.createSandbox({ lifecycle: { autoResume } })).sandbox?.id ?? "";
  const [wakes, sleeps] = [await create(true), await create(false)];
  const processes = (id: string) => server.client(ProcessService, { "sandbox-id": id });
  await processes(sleeps).listProcesses({}); // remembered, and forgotten by the pause
  for (const sandboxId of [wakes, sleeps]) await sandboxes.pauseSandbox({ sandboxId });
  await processes(wakes).listProcesses({});
  expect(plane.seen.at(-1)?.headers).toMatchObject({ "sandbox-id": wakes, "sandbox-epoch": "1" });
  expect(await failureOf(processes(sleeps).listProcesses({}))).toMatchObject({
    ...{ code: "FailedPrecondition", reason: "SANDBOX_PAUSED", metadata: { sandbox_id: sleeps } },
  });
});

test("a call that comes during a resume waits for it, and then carries the new epoch", async () => {
  const plane = createDataPlane();
  await using server = await testServer({ routes: plane.routes });
  const sandboxes = server.client(SandboxService);
  const sandboxId = (await sandboxes.createSandbox({})).sandbox?.id ?? "";
  await sandboxes.pauseSandbox({ sandboxId });
  const resuming = hold(server.host.hooks, "onResume");
  const resume = sandboxes.resumeSandbox({ sandboxId });
  await resuming.begun;
  const call = server.client(ProcessService, { "sandbox-id": sandboxId }).listProcesses({});
  resuming.go();
  await Promise.all([resume, call]);
  expect(plane.seen.map(({ headers }) => headers["sandbox-epoch"])).toEqual(["2"]);
});
