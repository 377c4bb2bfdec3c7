import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

async function newSandbox(server: TestServer): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  return sandbox?.id ?? "";
}

test("a template of a sandbox is listed, and creates of it are restored with its size", async () => {
  await using server = await testServer();
  const [sandboxes, templates] = [server.client(SandboxService), server.client(TemplateService)];
  const sandboxId = await newSandbox(server);
  const call = { name: "mine", sandboxId, description: "With tools.", idempotencyKey: "k" };
  const { template } = await templates.createTemplate(call);
  expect(template).toMatchObject({ name: "mine", description: "With tools.", resources: { memoryMib: 512 } });
  expect((await templates.createTemplate(call)).template).toEqual(template);
  expect((await templates.listTemplates({})).templates.map(({ name }) => name)).toEqual(["base", "mine"]);
  expect((await templates.listTemplates({ pageSize: 1 })).templates.map(({ name }) => name)).toEqual(["base"]);
  await sandboxes.deleteSandbox({ sandboxId });

  const { sandbox } = await sandboxes.createSandbox({ template: "mine" });
  expect(sandbox).toMatchObject({ template: "mine", snapshotId: template?.snapshotId, parentId: "" });
  const larger = { template: "mine", resources: { memoryMib: 1_024 } };
  expect(await failureOf(sandboxes.createSandbox(larger))).toMatchObject({ fields: ["resources.memory_mib"] });
  const platforms = { name: "base", sandboxId: sandbox?.id ?? "" };
  expect(await failureOf(templates.createTemplate(platforms))).toMatchObject({ fields: ["name"] });
});

test("a name is given new content, and the old one goes when nobody needs it", async () => {
  await using server = await testServer();
  const [sandboxes, templates] = [server.client(SandboxService), server.client(TemplateService)];
  const sandboxId = await newSandbox(server);
  const make = async () => (await templates.createTemplate({ name: "mine", sandboxId })).template?.snapshotId ?? "";
  const first = await make();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  server.host.onStart = () => {
    begun.resolve();
    return gate.promise;
  };
  const create = sandboxes.createSandbox({ template: "mine" });
  await begun.promise;
  const second = await make();
  expect(server.host.snapshots.has(first)).toBe(true); // a sandbox is being made from it
  gate.resolve();
  expect((await create).sandbox?.snapshotId).toBe(first);
  await until(() => !server.host.snapshots.has(first));
  expect((await sandboxes.createSandbox({ template: "mine" })).sandbox?.snapshotId).toBe(second);
});

test("a template's snapshot can't be deleted before it; with the template it goes", async () => {
  await using server = await testServer();
  const [snapshots, templates] = [server.client(SnapshotService), server.client(TemplateService)];
  const { template } = await templates.createTemplate({ name: "mine", sandboxId: await newSandbox(server) });
  const snapshotId = template?.snapshotId ?? "";
  expect((await snapshots.getSnapshot({ snapshotId })).snapshot?.templateName).toBe("mine");
  expect(await failureOf(snapshots.deleteSnapshot({ snapshotId }))).toMatchObject({
    ...{ reason: "RESOURCE_IN_USE", metadata: { used_by: "template mine" } },
  });
  await templates.deleteTemplate({ name: "mine" });
  expect(server.host.snapshots.size).toBe(0);
  const gone = { reason: "TEMPLATE_NOT_FOUND" };
  expect(await failureOf(templates.deleteTemplate({ name: "mine" }))).toMatchObject(gone);
  expect(await failureOf(server.client(SandboxService).createSandbox({ template: "mine" }))).toMatchObject(gone);
});

test("a server that dies while it makes a template leaves it to the next one", async () => {
  await using server = await testServer();
  const sandboxId = await newSandbox(server);
  const held = hold(server.host.hooks, "onSnapshot");
  const templates = server.client(TemplateService);
  const lost = Promise.allSettled([templates.createTemplate({ name: "mine", sandboxId, idempotencyKey: "k" })]);
  await held.begun;
  server.daemon.cutConnections();
  await server.stop();
  await lost;
  await using _ = await server.another();
  held.go();
  await until(async () => {
    const { rows } = await server.database.pool.query("select name from templates");
    return rows.length === 1;
  });
});
