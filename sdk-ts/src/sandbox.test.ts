import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import {
  AuthenticationError,
  CapacityError,
  Client,
  InvalidArgumentError,
  NotFoundError,
  Sandbox,
  UnavailableError,
} from "./index.ts";
import { fakeWithClient, ways } from "./testing/client-of.ts";
import { failureOf } from "./testing/failure-of.ts";
import { fakeError, unavailable } from "./testing/fake-error.ts";

describe.each(ways)("$name", (way) => {
  test("a sandbox is made, described, listed and deleted", async () => {
    await using fake = await fakeWithClient(way);
    const { client } = fake;
    const sandbox = await Sandbox.create({ client, vcpus: 2, memoryMib: 1024, metadata: { job: "7" } });
    expect(sandbox.stages).toEqual([
      { stage: "queue", ms: 1 },
      { stage: "vmm", ms: 20 },
    ]);
    const info = await sandbox.info();
    expect(info).toMatchObject({
      state: "running",
      template: "base",
      vcpus: 2,
      memoryMib: 1024,
      metadata: { job: "7" },
    });
    expect(info.epoch).toBe(1);
    expect(info.createTime.getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect(await Array.fromAsync(Sandbox.list({ client }), ({ id }) => id)).toEqual([sandbox.id]);
    await sandbox.kill();
    expect(await failureOf(sandbox.info())).toBeInstanceOf(NotFoundError);
  });

  test("a create whose answer is lost is repeated with its key and makes one sandbox", async () => {
    await using fake = await fakeWithClient(way);
    fake.platform.faults.next("CreateSandbox", { t: "cut" }, { t: "error", error: unavailable() });
    const sandbox = await Sandbox.create({ client: fake.client, idempotencyKey: "k1" });
    expect(fake.platform.count("CreateSandbox")).toBe(2); // the third one was refused before it counted
    expect([...fake.platform.sandboxes.keys()]).toEqual([sandbox.id]);
  });

  test("a create that was refused for too many calls is repeated without a key, since nothing of it was done", async () => {
    await using fake = await fakeWithClient(way);
    const busy = fakeError(Code.ResourceExhausted, "TOO_MANY_CALLS", "500 calls are under way.", { retryDelayMs: 1 });
    fake.platform.faults.next("CreateSandbox", { t: "error", error: busy }, { t: "error", error: busy });
    const sandbox = await Sandbox.create({ client: fake.client });
    expect([...fake.platform.sandboxes.keys()]).toEqual([sandbox.id]);
  });

  test("a create without a key is not repeated when its answer is lost", async () => {
    await using fake = await fakeWithClient(way);
    fake.platform.faults.next("CreateSandbox", { t: "cut" });
    expect(await failureOf(Sandbox.create({ client: fake.client }))).toBeInstanceOf(UnavailableError);
    expect(fake.platform.count("CreateSandbox")).toBe(1);
  });

  test("an unreachable platform is an UnavailableError after a bounded number of tries", async () => {
    const fake = await fakeWithClient(way, { maxRetries: 2 });
    await fake[Symbol.asyncDispose]();
    const error = await failureOf(Sandbox.create({ client: fake.client }));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: "unavailable", reason: undefined });
    expect((error as UnavailableError).nextStep).toContain("DNAH_URL");
  });

  test("aborting throws the signal's reason", async () => {
    await using fake = await fakeWithClient(way);
    const reason = new Error("enough");
    expect(await failureOf(Sandbox.create({ client: fake.client, signal: AbortSignal.abort(reason) }))).toBe(reason);
    const controller = new AbortController();
    fake.platform.faults.next("GetSandbox", { t: "error", error: unavailable() });
    const pending = failureOf(Sandbox.connect("x", { client: fake.client, signal: controller.signal }));
    controller.abort();
    expect(await pending).toMatchObject({ name: "AbortError" });
  });
});

test("`await using` deletes the sandbox and does not mind one that is gone", async () => {
  await using fake = await fakeWithClient();
  {
    await using _kept = await Sandbox.create({ client: fake.client });
    await using gone = await Sandbox.create({ client: fake.client });
    await gone.kill();
    expect(fake.platform.sandboxes.size).toBe(1);
  }
  expect(fake.platform.sandboxes.size).toBe(0);
});

test("a list asks page after page, and only for what is read", async () => {
  await using fake = await fakeWithClient();
  const { client } = fake;
  for (let index = 0; index < 5; index++) await Sandbox.create({ client, metadata: { index: String(index) } });
  const found = await Array.fromAsync(Sandbox.list({ client, pageSize: 2 }), ({ metadata }) => metadata.index);
  expect(found).toEqual(["4", "3", "2", "1", "0"]);
  expect(fake.platform.count("ListSandboxes")).toBe(3);
  for await (const _ of Sandbox.list({ client, pageSize: 2 })) break;
  expect(fake.platform.count("ListSandboxes")).toBe(4);
  expect(await Array.fromAsync(Sandbox.list({ client, states: ["failed"] }))).toEqual([]);
  expect(await Array.fromAsync(Sandbox.list({ client, metadata: { index: "3" } }))).toHaveLength(1);
});

test("an error carries reason, next step, violations and request id", async () => {
  await using fake = await fakeWithClient();
  const error = await failureOf(Sandbox.create({ client: fake.client, memoryMib: 7 }));
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({
    name: "InvalidArgumentError",
    code: "invalid_argument",
    reason: "FIELD_INVALID",
    requestId: "req-1",
    violations: [{ field: "resources.memory_mib", rule: "uint32.gte" }],
  });
});

test("a wrong key is an AuthenticationError, and is not tried again", async () => {
  await using fake = await fakeWithClient(undefined, { apiKey: "dnah_wrong" });
  const error = await failureOf(Sandbox.create({ client: fake.client }));
  expect(error).toBeInstanceOf(AuthenticationError);
  expect(error).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  expect(fake.platform.calls).toHaveLength(1);
});

test("a key that is missing is asked for by the name of its variable", async () => {
  await using fake = await fakeWithClient(undefined, { apiKey: "" });
  const error = await failureOf(Sandbox.create({ client: fake.client }));
  expect(error).toBeInstanceOf(AuthenticationError);
  expect(error).toMatchObject({ reason: "CREDENTIAL_MISSING", nextStep: expect.stringContaining("DNAH_API_KEY") });
});

test("a full platform is a CapacityError that says when to try again, and the caller decides", async () => {
  await using fake = await fakeWithClient();
  const error = fakeError(Code.ResourceExhausted, "NO_CAPACITY", "No host has room.", { retryDelayMs: 1500 });
  fake.platform.faults.next("CreateSandbox", { t: "error", error });
  const failure = await failureOf(Sandbox.create({ client: fake.client }));
  expect(failure).toBeInstanceOf(CapacityError);
  expect(failure).toMatchObject({ retryAfterMs: 1500, reason: "NO_CAPACITY" });
});

test("an error of a newer platform keeps its code", async () => {
  await using fake = await fakeWithClient();
  fake.platform.faults.next("GetSandbox", { t: "error", error: new ConnectError("new", Code.NotFound) });
  expect(await failureOf(Sandbox.connect("x", { client: fake.client }))).toBeInstanceOf(NotFoundError);
});

test("processes and files are called with the sandbox's token where it is known, else with the key", async () => {
  await using fake = await fakeWithClient();
  const { client, platform } = fake;
  const sandbox = await Sandbox.create({ client });
  await sandbox.files.exists("x");
  const again = await Sandbox.connect(sandbox.id, { client });
  await again.files.exists("x");
  const noKey = new Client({ url: client.url, apiKey: "dnah_none" });
  const bare = await Sandbox.connect(sandbox.id, { client: noKey, accessToken: sandbox.accessToken });
  await bare.files.exists("x");
  const credentials = platform.calls.filter(({ method }) => method === "StatFile").map(({ credential }) => credential);
  expect(credentials).toEqual([`token-${sandbox.id}`, platform.apiKey, `token-${sandbox.id}`]);
});

test("a URL that is none is refused at once", () => {
  expect(() => new Client({ url: "localhost:3000" })).toThrow("must begin with http");
});

test("templates, hosts, organizations and keys", async () => {
  await using fake = await fakeWithClient();
  const { client } = fake;
  expect(await Array.fromAsync(client.templates.list(), ({ name }) => name)).toEqual(["base"]);
  expect(await Array.fromAsync(client.hosts.list())).toMatchObject([{ id: "host-1", state: "ready", memoryMib: 4096 }]);
  expect(await client.organizations.create({ name: "Acme" })).toMatchObject({ organization: { name: "Acme" } });
  const { apiKey, secret } = await client.apiKeys.create({ name: "ci", scopes: ["sandboxes:read"], format: "e2b" });
  expect(secret).toMatch(/^e2b_/);
  expect(await Array.fromAsync(client.apiKeys.list())).toEqual([apiKey]);
  await client.apiKeys.revoke(apiKey.id);
  expect(await failureOf(client.apiKeys.revoke(apiKey.id))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("hosts are drained, opened again and removed", async () => {
  await using fake = await fakeWithClient();
  const { hosts } = fake.client;
  await Sandbox.create({ client: fake.client });
  fake.platform.faults.next("DrainHost", { t: "cut" });
  expect(await hosts.drain("host-1")).toMatchObject({ draining: true, sandboxes: 0, obstacle: undefined });
  expect(await hosts.undrain("host-1")).toMatchObject({ draining: false, sandboxes: 1 });
  expect(await failureOf(hosts.remove("host-1"))).toMatchObject({ reason: "RESOURCE_IN_USE" });
  await hosts.remove("host-1", { force: true });
  expect(await Array.fromAsync(hosts.list())).toEqual([]);
});

test("labels are set and taken away", async () => {
  await using fake = await fakeWithClient();
  const sandbox = await Sandbox.create({ client: fake.client, metadata: { a: "1", b: "2" } });
  fake.platform.faults.next("UpdateSandbox", { t: "cut" });
  const info = await sandbox.update({ setMetadata: { b: "3", c: "4" }, removeMetadata: ["a"] });
  expect(info.metadata).toEqual({ b: "3", c: "4" });
});
