import { HostService, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { ApiKeyFormat, ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer } from "../testing/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer({ routes: createDataPlane().routes });
});
afterAll(() => server[Symbol.asyncDispose]());

const withKey = (key: string) => ({ authorization: `Bearer ${key}` });

async function newOrganization(): Promise<string> {
  const { apiKey } = await server.client(OrganizationService).createOrganization({ name: "other" });
  return apiKey;
}

test("a call without a key, with a wrong one and with a revoked one", async () => {
  const list = (headers: Record<string, string>) => failureOf(server.client(SandboxService, headers).listSandboxes({}));
  expect(await list({ authorization: "" })).toMatchObject({
    code: "Unauthenticated",
    reason: "CREDENTIAL_MISSING",
    nextStep: "Send the header `Authorization: Bearer <API key>`.",
  });
  expect(await list(withKey(`dnah_${"0".repeat(40)}`))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(await list(withKey("short"))).toMatchObject({ reason: "CREDENTIAL_INVALID" });

  const { apiKey, secret } = await server.client(ApiKeyService).createApiKey({ name: "soon gone" });
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  const relayed = () =>
    server.client(ProcessService, { ...withKey(secret), "sandbox-id": sandbox?.id ?? "" }).listProcesses({});
  await server.client(SandboxService, withKey(secret)).listSandboxes({});
  await relayed();
  await server.client(ApiKeyService).revokeApiKey({ apiKeyId: apiKey?.id ?? "" });
  expect(await list(withKey(secret))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(await failureOf(relayed())).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(await failureOf(server.client(ApiKeyService).revokeApiKey({ apiKeyId: apiKey?.id ?? "" }))).toMatchObject({
    code: "NotFound",
    reason: "RESOURCE_NOT_FOUND",
    nextStep: "List the keys to see which there are.",
  });
});

test("a sandbox's own token is no API key", async () => {
  const { accessToken } = await server.client(SandboxService).createSandbox({});
  expect(await failureOf(server.client(SandboxService, withKey(accessToken)).listSandboxes({}))).toMatchObject({
    reason: "CREDENTIAL_INVALID",
  });
});

test("a scope that the key lacks is named; no key makes one that may do more", async () => {
  const { secret } = await server
    .client(ApiKeyService)
    .createApiKey({ name: "reader", scopes: ["sandboxes:read"], format: ApiKeyFormat.E2B });
  expect(secret).toMatch(/^e2b_[0-9a-f]{40}$/);
  const headers = withKey(secret);
  expect(await failureOf(server.client(SandboxService, headers).createSandbox({}))).toMatchObject({
    code: "PermissionDenied",
    reason: "SCOPE_MISSING",
    metadata: { scope: "sandboxes:write" },
  });
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  const processes = server.client(ProcessService, { ...headers, "sandbox-id": sandbox?.id ?? "" });
  expect(await failureOf(processes.listProcesses({}))).toMatchObject({ reason: "SCOPE_MISSING" });

  const other = await newOrganization();
  expect(
    await failureOf(server.client(ApiKeyService, withKey(other)).createApiKey({ name: "x", scopes: ["admin"] })),
  ).toMatchObject({ reason: "SCOPE_MISSING", metadata: { scope: "admin" } });
  expect(await failureOf(server.client(HostService, withKey(other)).listHosts({}))).toMatchObject({
    reason: "SCOPE_MISSING",
  });
});

test("another organization's sandbox is not found, in every call", async () => {
  const { sandbox } = await server.client(SandboxService).createSandbox({ metadata: { mine: "1" } });
  const sandboxId = sandbox?.id ?? "";
  const headers = withKey(await newOrganization());
  const others = server.client(SandboxService, headers);
  const notFound = { code: "NotFound", reason: "SANDBOX_NOT_FOUND", metadata: { sandbox_id: sandboxId } };
  expect(await failureOf(others.getSandbox({ sandboxId }))).toMatchObject(notFound);
  expect(await failureOf(others.deleteSandbox({ sandboxId }))).toMatchObject(notFound);
  const processes = server.client(ProcessService, { ...headers, "sandbox-id": sandboxId });
  expect(await failureOf(processes.listProcesses({}))).toMatchObject(notFound);
  expect((await others.listSandboxes({ metadata: { mine: "1" } })).sandboxes).toEqual([]);
  expect((await server.client(SandboxService).getSandbox({ sandboxId })).sandbox?.state).toBe(SandboxState.RUNNING);
});

test("an unknown sandbox and an unknown template", async () => {
  const sandboxes = server.client(SandboxService);
  expect(await failureOf(sandboxes.getSandbox({ sandboxId: "nosuch" }))).toMatchObject({
    code: "NotFound",
    reason: "SANDBOX_NOT_FOUND",
    nextStep: "List your sandboxes to see which there are.",
  });
  expect(await failureOf(sandboxes.createSandbox({ template: "nosuch", idempotencyKey: "t" }))).toMatchObject({
    code: "NotFound",
    reason: "TEMPLATE_NOT_FOUND",
    metadata: { template: "nosuch" },
  });
  // The refusal left no key behind.
  expect((await sandboxes.createSandbox({ idempotencyKey: "t" })).replayed).toBe(false);
});

test.each([
  [{ sandboxId: "a\0b" }, "sandbox_id"],
  [{ sandboxId: "UPPER" }, "sandbox_id"],
  [{ sandboxId: "" }, "sandbox_id"],
])("a bad sandbox id %j", async (request, field) => {
  expect(await failureOf(server.client(SandboxService).getSandbox(request))).toMatchObject({
    code: "InvalidArgument",
    reason: "FIELD_INVALID",
    fields: [field],
  });
});

test.each([
  [{ template: "no/slash" }, "template"],
  [{ template: "nul\0" }, "template"],
  [{ resources: { memoryMib: 5 } }, "resources.memory_mib"],
  [{ resources: { vcpus: 65 } }, "resources.vcpus"],
  [{ env: { "1A": "x" } }, 'env["1A"]'],
  [{ env: { A: "x\0" } }, 'env["A"]'],
  [{ metadata: { "a\0": "x" } }, 'metadata["a\0"]'],
  [{ idempotencyKey: "a b" }, "idempotency_key"],
])("a create with a bad field %j", async (request, field) => {
  const failure = await failureOf(server.client(SandboxService).createSandbox(request));
  expect(failure).toMatchObject({ code: "InvalidArgument", reason: "FIELD_INVALID", fields: [field] });
  expect(failure.nextStep).toContain("fields");
});

test("a token that is none of the list is a bad field, in every list", async () => {
  const sandboxToken = Buffer.from('["sandboxes","1","a"]').toString("base64url");
  const others = [
    (pageToken: string) => server.client(TemplateService).listTemplates({ pageToken }),
    (pageToken: string) => server.client(HostService).listHosts({ pageToken }),
    (pageToken: string) => server.client(OrganizationService).listOrganizations({ pageToken }),
    (pageToken: string) => server.client(ApiKeyService).listApiKeys({ pageToken }),
  ];
  const bad = { reason: "FIELD_INVALID", fields: ["page_token"] };
  const pageToken = "garbage";
  expect(await failureOf(server.client(SandboxService).listSandboxes({ pageToken }))).toMatchObject(bad);
  for (const list of others) {
    expect(await failureOf(list("garbage"))).toMatchObject(bad);
    expect(await failureOf(list(sandboxToken))).toMatchObject(bad);
  }
});

test("a body over the limit", async () => {
  const metadata = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, "x".repeat(30_000)]));
  expect(await failureOf(server.client(SandboxService).createSandbox({ metadata }))).toMatchObject({
    code: "ResourceExhausted",
    reason: "BODY_TOO_LARGE",
    metadata: { max_bytes: "2097152" },
  });
});

test("a size that no host has now says what is missing and when to try again; one that none ever has says so", async () => {
  const sandboxes = server.client(SandboxService);
  const { sandbox } = await sandboxes.createSandbox({ resources: { memoryMib: 1024 } });
  const all = await failureOf(sandboxes.createSandbox({ resources: { memoryMib: 16_384 } }));
  expect(all).toMatchObject({ code: "ResourceExhausted", reason: "NO_CAPACITY", retries: true });
  expect(all.message).toBe("No host has room for 16384 MiB of memory.");
  expect(all.metadata).toMatchObject({ memory_mib: "16384", vcpus: "1" });
  expect(await failureOf(sandboxes.createSandbox({ resources: { memoryMib: 200_000 } }))).toMatchObject({
    reason: "NO_CAPACITY",
    retries: false,
    nextStep: "Ask for a smaller sandbox: no host is this large.",
  });
  await sandboxes.deleteSandbox({ sandboxId: sandbox?.id ?? "" });
});

test("an unknown path", async () => {
  const response = await fetch(`${server.url}/daytonah.v1.SandboxService/NoSuch`, { method: "POST" });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: "unimplemented", details: [{ type: "daytonah.v1.ErrorInfo" }] });
});

test("lists go page by page, newest first, and skip the deleted", async () => {
  const headers = withKey(await newOrganization());
  const sandboxes = server.client(SandboxService, headers);
  const ids: string[] = [];
  for (const index of [0, 1, 2, 3]) {
    const { sandbox } = await sandboxes.createSandbox({ metadata: { index: String(index), odd: String(index % 2) } });
    ids.unshift(sandbox?.id ?? "");
  }
  await sandboxes.deleteSandbox({ sandboxId: ids[1] ?? "" });
  const listed: string[] = [];
  for (let pageToken = "", pages = 0; pages === 0 || pageToken !== ""; pages++) {
    const page = await sandboxes.listSandboxes({ pageSize: 2, pageToken });
    listed.push(...page.sandboxes.map(({ id }) => id));
    pageToken = page.nextPageToken;
  }
  expect(listed).toEqual([ids[0], ids[2], ids[3]]);
  const odd = await sandboxes.listSandboxes({
    metadata: { odd: "1" },
    states: [SandboxState.DELETED, SandboxState.RUNNING],
  });
  expect(odd.sandboxes.map(({ id }) => id)).toEqual([ids[0], ids[2]]);
  const deleted = await sandboxes.listSandboxes({ states: [SandboxState.DELETED] });
  expect(deleted.sandboxes.map(({ id }) => id)).toEqual([ids[1]]);
  await Promise.all([ids[0], ids[2], ids[3]].map((id) => sandboxes.deleteSandbox({ sandboxId: id ?? "" })));
});

test("templates and hosts are listed with what they are", async () => {
  expect((await server.client(TemplateService).listTemplates({})).templates).toMatchObject([
    { name: "base", diskMib: 2048 },
  ]);
  expect((await server.client(HostService).listHosts({})).hosts).toMatchObject([
    { id: "h1", state: HostState.READY, driver: "fake", vcpus: 16 },
  ]);
});

test("keys and organizations are made once for one idempotency key, and their secrets never shown again", async () => {
  const keys = server.client(ApiKeyService);
  const first = await keys.createApiKey({ name: "a", idempotencyKey: "k1" });
  const again = await keys.createApiKey({ name: "a", idempotencyKey: "k1" });
  expect([again.apiKey?.id, again.secret]).toEqual([first.apiKey?.id, ""]);
  expect(first.secret.startsWith(first.apiKey?.prefix ?? "?")).toBe(true);
  expect(await failureOf(keys.createApiKey({ name: "b", idempotencyKey: "k1" }))).toMatchObject({
    code: "AlreadyExists",
    reason: "IDEMPOTENCY_KEY_REUSED",
    nextStep: "Use a new key for a new request.",
  });
  const organizations = server.client(OrganizationService);
  const org = await organizations.createOrganization({ name: "o", idempotencyKey: "k1" });
  const replay = await organizations.createOrganization({ name: "o", idempotencyKey: "k1" });
  expect([replay.organization?.id, replay.apiKey]).toEqual([org.organization?.id, ""]);
  const { rows } = await server.database.pool.query("select 1 from api_keys where encode(hash, 'escape') like $1", [
    `%${first.secret}%`,
  ]);
  expect(rows).toEqual([]);
});

test("a browser may call from anywhere", async () => {
  const preflight = await fetch(`${server.url}/daytonah.v1.SandboxService/ListSandboxes`, {
    method: "OPTIONS",
    headers: { origin: "https://app.example", "access-control-request-method": "POST" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toMatch(/authorization.*sandbox-id/);
  const refused = await fetch(`${server.url}/daytonah.v1.ProcessService/ListProcesses`, {
    method: "POST",
    headers: { origin: "https://app.example", "content-type": "application/json" },
    body: "{}",
  });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("access-control-allow-origin")).toBe("*");
  expect(refused.headers.get("access-control-expose-headers")).toContain("x-request-id");
});

test("health, readiness and metrics tell the truth", async () => {
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${server.url}/readyz`)).json()).toMatchObject({
    ready: true,
    parts: { hosts: { detail: "1 of 1 connected" } },
  });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/dnah_sandboxes\{state="running"\} \d/);
  expect(metrics).toMatch(/dnah_rpc_seconds_count\{rpc="daytonah.v1.SandboxService\/CreateSandbox",code="ok"\}/);
  expect(metrics).toMatch(/code="not_?found"/i);
  for (const headers of [{ "x-forwarded-for": "192.0.2.1" }, { forwarded: "for=192.0.2.1" }]) {
    expect((await fetch(`${server.url}/metrics`, { headers })).status).toBe(404);
  }
});
