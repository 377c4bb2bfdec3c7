import { createHash } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { FileUrlOperation, SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import { checkFileQuery, checkPortToken, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { describe, expect, test } from "vitest";
import { createFakeHost } from "../hosts/fake-host.ts";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, type TestServerOptions, testServer, until } from "../testing/test-server.ts";

const edgeUrl = "http://127.0.0.1:18049";
const withKey = (key: string) => ({ authorization: `Bearer ${key}` });
const sha256 = (text: string) => createHash("sha256").update(text).digest();

async function serve(options: TestServerOptions = {}) {
  const dataPlane = createDataPlane();
  const host = createFakeHost("h1", { edgeUrl });
  const server = await testServer({ host, routes: dataPlane.routes, ...options });
  const { sandbox, accessToken } = await server.client(SandboxService).createSandbox({});
  const sandboxId = sandbox?.id ?? "";
  const processes = (key: string) => server.client(ProcessService, { ...withKey(key), "sandbox-id": sandboxId });
  return {
    ...{ server, host, dataPlane, sandboxId, accessToken },
    sandboxes: server.client(SandboxService),
    /** A call of the data plane through the server. */
    reach: (key: string) => processes(key).listProcesses({}),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function strangerOf(server: TestServer) {
  const { apiKey } = await server.client(OrganizationService).createOrganization({ name: "other" });
  return server.client(SandboxService, withKey(apiKey));
}

test("a sandbox says where its host's edge is, and the host knows from the start who may come in", async () => {
  await using on = await serve();
  const { sandbox } = await on.sandboxes.getSandbox({ sandboxId: on.sandboxId });
  expect(sandbox).toMatchObject({ directUrl: edgeUrl, publicPorts: [] });
  expect((await on.server.client(HostService).listHosts({})).hosts).toMatchObject([{ edgeUrl }]);
  const access = on.host.accesses.get(on.sandboxId);
  expect(access).toMatchObject({ version: 1n, tokenGeneration: 1n, publicPorts: [] });
  expect(Buffer.from(access?.tokenSha256 ?? []).equals(sha256(on.accessToken))).toBe(true);
  expect(Buffer.from(access?.signingKey ?? []).equals(signingKeyOf(on.accessToken))).toBe(true);
  expect(
    JSON.stringify([...on.host.accesses.values()], (_, v) => (typeof v === "bigint" ? String(v) : v)),
  ).not.toContain(on.accessToken);
});

describe("a rotation of the access token", () => {
  test("ends the old one here and at the host, once for one idempotency key", async () => {
    await using on = await serve();
    const { server, sandboxId, host } = on;
    await on.reach(on.accessToken);
    expect(on.dataPlane.seen.at(-1)?.headers).toMatchObject({ "sandbox-token-generation": "1" });
    const rotate = (idempotencyKey: string) => on.sandboxes.rotateAccessToken({ sandboxId, idempotencyKey });

    const [one, two] = await Promise.all([rotate("k"), rotate("k")]);
    expect(one.accessToken).toMatch(/^dnah_sbx_/);
    expect([two.accessToken, (await rotate("k")).accessToken]).toEqual([one.accessToken, one.accessToken]);
    expect(one.accessToken).not.toBe(on.accessToken);
    expect(host.accesses.get(sandboxId)).toMatchObject({ version: 2n, tokenGeneration: 2n });
    expect(Buffer.from(host.accesses.get(sandboxId)?.tokenSha256 ?? []).equals(sha256(one.accessToken))).toBe(true);
    expect(await failureOf(on.reach(on.accessToken))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    await on.reach(one.accessToken);
    expect(on.dataPlane.seen.at(-1)?.headers).toMatchObject({ "sandbox-token-generation": "2" });
    await on.reach(server.adminKey);
    expect(on.dataPlane.seen.at(-1)?.headers).not.toHaveProperty("sandbox-token-generation");

    const again = await rotate("");
    expect(await failureOf(on.reach(one.accessToken))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    await on.reach(again.accessToken);
    expect((await rotate("k")).accessToken).toBe(one.accessToken); // what it made, though it is over
  });

  test("that its host could not be told says so, and is told as soon as the host is back", async () => {
    await using on = await serve();
    const { sandboxId, host } = on;
    const rotate = () => on.sandboxes.rotateAccessToken({ sandboxId, idempotencyKey: "k" });
    host.reachable = false;
    expect(await failureOf(rotate())).toMatchObject({
      reason: "HOST_UNAVAILABLE",
      metadata: { sandbox_id: sandboxId },
      nextStep: expect.stringContaining("with the same idempotency key"),
      retries: true,
    });
    expect(host.accesses.get(sandboxId)).toMatchObject({ version: 1n });
    host.reachable = true;
    await until(() => host.accesses.get(sandboxId)?.version === 2n);
    const { accessToken } = await rotate();
    expect(Buffer.from(host.accesses.get(sandboxId)?.tokenSha256 ?? []).equals(sha256(accessToken))).toBe(true);
  });

  test("reaches a host that failed for a moment alone", async () => {
    await using on = await serve();
    const { sandboxId, host } = on;
    host.onAccess = async () => {
      throw problem("HOST_UNAVAILABLE", "busy");
    };
    expect(await failureOf(on.sandboxes.rotateAccessToken({ sandboxId }))).toMatchObject({
      reason: "HOST_UNAVAILABLE",
    });
    host.onAccess = async () => undefined;
    await until(() => host.accesses.get(sandboxId)?.version === 2n);
    await until(async () => {
      const { rows } = await on.server.database.pool.query("select access_told from sandboxes");
      return rows[0].access_told === 2;
    });
  });

  test("is heard by a host that is ahead of the database, as after a restored backup", async () => {
    await using on = await serve();
    const { sandboxId, host } = on;
    const access = host.accesses.get(sandboxId);
    if (!access) return expect.fail("the host knows nothing");
    await host.setVmAccess({ sandboxId, epoch: 1n, access: { ...access, version: 9n } }, {});
    await until(() => host.accesses.get(sandboxId)?.version === 10n);
    await on.sandboxes.rotateAccessToken({ sandboxId });
    expect(host.accesses.get(sandboxId)).toMatchObject({ version: 11n, tokenGeneration: 2n });
  });

  test("is refused while the sandbox is created or deleted, and for what is not there", async () => {
    await using on = await serve();
    const { sandboxId, sandboxes } = on;
    const rotate = () => failureOf(sandboxes.rotateAccessToken({ sandboxId }));
    const setState = (state: string) => on.server.database.pool.query("update sandboxes set state = $1", [state]);
    await setState("creating");
    expect(await rotate()).toMatchObject({ reason: "SANDBOX_NOT_RUNNING", metadata: { state: "creating" } });
    await setState("deleting");
    expect(await rotate()).toMatchObject({ reason: "SANDBOX_STATE_CONFLICT" });
    await setState("deleted");
    expect(await rotate()).toMatchObject({ reason: "SANDBOX_NOT_FOUND" });
    expect(on.host.accesses.get(sandboxId)).toMatchObject({ version: 1n });
  });
});

test("ports are opened and closed one by one, and the host hears of each", async () => {
  await using on = await serve();
  const { sandboxId, host } = on;
  const set = async (port: number, open: boolean, idempotencyKey = "") => {
    const { sandbox } = await on.sandboxes.setPortVisibility({ sandboxId, port, public: open, idempotencyKey });
    return sandbox?.publicPorts;
  };
  expect(await set(8080, true, "k")).toEqual([8080]);
  expect(await set(80, true)).toEqual([80, 8080]);
  expect(await set(80, true)).toEqual([80, 8080]);
  expect(host.accesses.get(sandboxId)).toMatchObject({ version: 3n, tokenGeneration: 1n, publicPorts: [80, 8080] });
  expect(await set(8080, false)).toEqual([80]);
  expect(await set(8080, true, "k")).toEqual([80]); // the same call again changes nothing
  expect(host.accesses.get(sandboxId)).toMatchObject({ version: 4n, publicPorts: [80] });
  await on.reach(on.accessToken);
  expect(await failureOf(set(1, false, "k"))).toMatchObject({ reason: "IDEMPOTENCY_KEY_REUSED" });
  await on.server.database.pool.query("update sandboxes set public_ports = array(select generate_series(1, 100))");
  expect(await failureOf(set(101, true))).toMatchObject({ reason: "FIELD_INVALID", fields: ["port"] });
});

describe("labels", () => {
  test("are set and taken away, at once too, and never more than 64", async () => {
    await using on = await serve();
    const { sandboxId } = on;
    const update = async (change: { setMetadata?: Record<string, string>; removeMetadata?: string[] }) =>
      (await on.sandboxes.updateSandbox({ sandboxId, ...change })).sandbox?.metadata;
    await update({ setMetadata: { a: "1", b: "2" } });
    expect(await update({ removeMetadata: ["a", "none"], setMetadata: { c: "é" } })).toEqual({ b: "2", c: "é" });
    expect(await update({ removeMetadata: ["b"], setMetadata: { b: "3" } })).toEqual({ b: "3", c: "é" });
    const many = Array.from({ length: 62 }, (_, index) => ({ [`l${index}`]: "x" }));
    await Promise.all(many.map((setMetadata) => update({ setMetadata })));
    expect(Object.keys((await update({})) ?? {})).toHaveLength(64);
    expect(await failureOf(update({ setMetadata: { one: "more" } }))).toMatchObject({
      reason: "FIELD_INVALID",
      fields: ["set_metadata"],
    });
    expect(await update({ removeMetadata: ["c"], setMetadata: { one: "more" } })).toMatchObject({ one: "more" });
    expect(await failureOf(update({ removeMetadata: ["a\0"] }))).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("change once for one idempotency key", async () => {
    await using on = await serve();
    const { sandboxId } = on;
    const change = { sandboxId, setMetadata: { a: "1" }, idempotencyKey: "k" };
    await on.sandboxes.updateSandbox(change);
    await on.sandboxes.updateSandbox({ sandboxId, setMetadata: { a: "2" } });
    expect((await on.sandboxes.updateSandbox(change)).sandbox?.metadata).toEqual({ a: "2" });
    expect(await failureOf(on.sandboxes.updateSandbox({ ...change, setMetadata: { a: "3" } }))).toMatchObject({
      reason: "IDEMPOTENCY_KEY_REUSED",
    });
  });
});

describe("links", () => {
  test("are signed by a key of the access token, for whoever has it or an API key", async () => {
    await using on = await serve();
    const { sandboxId, accessToken, server } = on;
    const key = signingKeyOf(accessToken);
    const began = Date.now();
    for (const sandboxes of [on.sandboxes, server.client(SandboxService, withKey(accessToken))]) {
      const port = await sandboxes.createPortUrl({ sandboxId, port: 8080 });
      const expireTime = port.expireTime && timestampDate(port.expireTime);
      expect(checkPortToken(key, sandboxId, 8080, port.token, new Date())).toEqual(expireTime);
      expect((expireTime?.getTime() ?? 0) - began - 3_600_000).toSatisfy((ms: number) => ms >= 0 && ms < 20_000);
      const at = `8080-${sandboxId}.localhost`;
      expect(port.url).toBe(`http://${at}:${new URL(server.url).port}/?dnah_token=${port.token}`);
      expect(port.directUrl).toBe(`http://${at}:18049/?dnah_token=${port.token}`);

      const file = await sandboxes.createFileUrl({
        ...{ sandboxId, path: "~/a b", user: "root", operation: FileUrlOperation.WRITE },
        ttl: { seconds: 1n },
      });
      const { origin, pathname, searchParams } = new URL(file.url);
      expect([origin, pathname]).toEqual([server.url, `/v1/sandboxes/${sandboxId}/files`]);
      const grant = { sandboxId, operation: "write", path: "~/a b", user: "root" } as const;
      const end = checkFileQuery(key, grant, searchParams, new Date(began));
      expect(file.expireTime && timestampDate(file.expireTime)).toEqual(end);
      expect(file.directUrl).toBe(file.url.replace(server.url, edgeUrl));
    }
  });

  test("are over with the token they were made from", async () => {
    await using on = await serve();
    const { sandboxId } = on;
    const { token } = await on.sandboxes.createPortUrl({ sandboxId, port: 80 });
    const { accessToken } = await on.sandboxes.rotateAccessToken({ sandboxId });
    const check = () => checkPortToken(signingKeyOf(accessToken), sandboxId, 80, token, new Date());
    expect(() => check()).toThrow(
      expect.toSatisfy((error: unknown) => problemOf(error)?.reason === "CREDENTIAL_INVALID"),
    );
    const old = on.server.client(SandboxService, withKey(on.accessToken));
    expect(await failureOf(old.createPortUrl({ sandboxId, port: 80 }))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  });

  test("are made by the access token for its own sandbox alone, and nothing else is", async () => {
    await using on = await serve();
    const { sandboxId, server } = on;
    const { sandbox } = await on.sandboxes.createSandbox({});
    const byToken = server.client(SandboxService, withKey(on.accessToken));
    const wrong = await failureOf(byToken.createPortUrl({ sandboxId: sandbox?.id ?? "", port: 80 }));
    expect(wrong).toMatchObject({ code: "Unauthenticated", reason: "CREDENTIAL_INVALID" });
    expect((await failureOf(byToken.createPortUrl({ sandboxId: "nosuch", port: 80 }))).message).toBe(wrong.message);
    for (const call of [
      () => byToken.getSandbox({ sandboxId }),
      () => byToken.setPortVisibility({ sandboxId, port: 80, public: true }),
      () => byToken.updateSandbox({ sandboxId }),
      () => byToken.rotateAccessToken({ sandboxId }),
    ]) {
      expect(await failureOf(call())).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    }
  });

  test("follow the configured origin and domain", async () => {
    await using on = await serve({ config: { publicUrl: "https://api.example.org", domain: "example.net" } });
    const { sandboxId } = on;
    const { url } = await on.sandboxes.createPortUrl({ sandboxId, port: 80 });
    expect(url).toMatch(`https://80-${sandboxId}.example.net/?dnah_token=`);
  });
});

test("another organization's sandbox is not found", async () => {
  await using on = await serve();
  const { sandboxId } = on;
  const others = await strangerOf(on.server);
  for (const call of [
    () => others.updateSandbox({ sandboxId, setMetadata: { a: "1" } }),
    () => others.setPortVisibility({ sandboxId, port: 80, public: true }),
    () => others.rotateAccessToken({ sandboxId }),
    () => others.createPortUrl({ sandboxId, port: 80 }),
    () => others.createFileUrl({ sandboxId, path: "/a", operation: FileUrlOperation.READ }),
  ]) {
    expect(await failureOf(call())).toMatchObject({ code: "NotFound", reason: "SANDBOX_NOT_FOUND" });
  }
  const { sandbox } = await on.sandboxes.getSandbox({ sandboxId });
  expect(sandbox).toMatchObject({ metadata: {}, publicPorts: [] });
  await on.reach(on.accessToken);
});
