/** What an organization may have is held by the database, whoever asks at once. */
import { OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

type Limits = { sandboxes?: number; vcpus?: number; memoryMib?: number };

async function allow(server: TestServer, limits: Limits): Promise<void> {
  const organizations = server.client(OrganizationService);
  const { organizations: all } = await organizations.listOrganizations({});
  const organizationId = all[0]?.id ?? "";
  const { organization } = await organizations.setOrganizationLimits({ organizationId, limits });
  expect(organization?.limits).toMatchObject(limits);
}

test("thirty creates at once, where ten are allowed, are ten sandboxes", async () => {
  await using server = await testServer();
  await allow(server, { sandboxes: 10 });
  const { createSandbox } = server.client(SandboxService);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, () => createSandbox({ resources: { memoryMib: 128 } })),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  const reasons = outcomes.flatMap((each) => (each.status === "rejected" ? [problemOf(each.reason)?.reason] : []));
  expect(new Set(reasons)).toEqual(new Set(["QUOTA_EXCEEDED"]));
  expect(await failureOf(createSandbox({ idempotencyKey: "k" }))).toMatchObject({
    ...{ code: "ResourceExhausted", reason: "QUOTA_EXCEEDED", retries: false },
    message: "Your organization may have 10 sandboxes, paused ones too; 10 are in use.",
    nextStep: "Delete sandboxes that you no longer need, or ask the operator for more.",
    metadata: { quota: "sandboxes", used: "10", limit: "10" },
  });
  await allow(server, { sandboxes: 11 });
  expect((await createSandbox({ idempotencyKey: "k" })).replayed).toBe(false); // the refusal left no key
});

test("vCPUs and memory are those of sandboxes that run: a resume is counted as a create is", async () => {
  await using server = await testServer();
  await allow(server, { vcpus: 2, memoryMib: 1_000 });
  const sandboxes = server.client(SandboxService);
  const made = await sandboxes.createSandbox({ resources: { vcpus: 2, memoryMib: 600 } });
  const sandboxId = made.sandbox?.id ?? "";
  const other = { resources: { vcpus: 1, memoryMib: 500 } };
  expect(await failureOf(sandboxes.createSandbox(other))).toMatchObject({ metadata: { quota: "vcpus", used: "2" } });
  await sandboxes.pauseSandbox({ sandboxId });
  const second = await sandboxes.createSandbox(other);
  const over = { reason: "QUOTA_EXCEEDED", metadata: { quota: "vcpus", used: "1", limit: "2" } };
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId }))).toMatchObject(over);
  await allow(server, { memoryMib: 1_000 });
  expect(await failureOf(sandboxes.resumeSandbox({ sandboxId }))).toMatchObject({
    metadata: { quota: "memory_mib", used: "500", limit: "1000" },
  });
  await sandboxes.deleteSandbox({ sandboxId: second.sandbox?.id ?? "" });
  await sandboxes.resumeSandbox({ sandboxId });
});

test("of a fork, as many children are made as are allowed", async () => {
  await using server = await testServer();
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({ resources: { memoryMib: 128 } });
  await allow(server, { sandboxes: 3 });
  const sandboxId = sandbox?.id ?? "";
  const { results } = await sandboxes.forkSandbox({ sandboxId, count: 4 });
  const reasons = results.map(({ result }) => (result.case === "failure" ? result.value.reason : "made"));
  expect(reasons.filter((reason) => reason === "made")).toHaveLength(2);
  expect(await failureOf(sandboxes.forkSandbox({ sandboxId }))).toMatchObject({ reason: "QUOTA_EXCEEDED" });
});

test("a VM of a warm pool is counted as any other, and undeleting as making", async () => {
  await using server = await testServer({ config: { tombstoneMs: 3_600_000 } });
  const pools = server.client(PoolService);
  await pools.setPool({ pool: { template: "base", minReady: 2, maxReady: 2 } });
  await until(async () => (await pools.listPools({})).pools[0]?.ready === 2);
  await allow(server, { sandboxes: 1 });
  const sandboxes = server.client(SandboxService);
  const { sandbox, stages } = await sandboxes.createSandbox({});
  expect(stages[0]?.stage).toBe("claim");
  expect(await failureOf(sandboxes.createSandbox({}))).toMatchObject({ reason: "QUOTA_EXCEEDED" });
  const sandboxId = sandbox?.id ?? "";
  await sandboxes.deleteSandbox({ sandboxId });
  await sandboxes.createSandbox({});
  expect(await failureOf(sandboxes.undeleteSandbox({ sandboxId }))).toMatchObject({ reason: "QUOTA_EXCEEDED" });
});

test("limits of an organization that is not there are not set", async () => {
  await using server = await testServer();
  const call = server.client(OrganizationService).setOrganizationLimits({ organizationId: "org_none", limits: {} });
  expect(await failureOf(call)).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});
