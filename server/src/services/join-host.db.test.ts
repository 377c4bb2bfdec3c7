import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import { HostService, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFakeHost } from "../hosts/fake-host.ts";
import { openPlatformKeys } from "../pki/platform-keys.ts";
import { createServerPki } from "../pki/server-pki.ts";
import { failureOf } from "../testing/failure-of.ts";
import { startHostDaemon } from "../testing/host-daemon.ts";
import { makeRequest } from "../testing/make-request.ts";
import { tempDir } from "../testing/temp-dir.ts";
import { connectTransport, type TestServer, testServer, until } from "../testing/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const url = "https://10.0.0.9:18048";
const admin = () => server.client(HostService);
/** A new host has no key of ours. */
const stranger = () => createClient(HostService, connectTransport(server.url, {}));

async function newToken(hostId = ""): Promise<string> {
  return (await admin().createJoinToken({ hostId })).token;
}

test("a host joins with its token once; the same call again is answered again, and nobody else's", async () => {
  const [token, { request: certificateRequest }] = [await newToken(), await makeRequest()];
  const call = { token, hostId: "new1", certificateRequest, url };
  const joined = await stranger().joinHost(call);
  const certificate = new X509Certificate(joined.certificate);
  const authority = new X509Certificate(joined.authority);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(token).toContain(`.${server.pki.fingerprint}`);

  const again = await stranger().joinHost(call);
  expect(new X509Certificate(again.certificate).subject).toBe(certificate.subject);
  expect(again.bearer).toBe(joined.bearer);
  const refused = { code: "Unauthenticated", reason: "CREDENTIAL_INVALID" };
  const { request: another } = await makeRequest();
  expect(await failureOf(stranger().joinHost({ ...call, certificateRequest: another }))).toMatchObject(refused);
  expect(await failureOf(stranger().joinHost({ ...call, hostId: "new2" }))).toMatchObject(refused);
  const { rows } = await server.database.pool.query("select id, url, state from hosts where id like 'new%'");
  expect(rows).toEqual([{ id: "new1", url, state: "unreachable" }]);
});

test("of joins at once with one token, one is let in", async () => {
  const token = await newToken();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, async (_, index) => {
      const { request: certificateRequest } = await makeRequest();
      return stranger().joinHost({ token, hostId: `race${index}`, certificateRequest, url });
    }),
  );
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

test("a token that is unknown, over, or made for another host lets nobody in; none is kept in the clear", async () => {
  const { request: certificateRequest } = await makeRequest();
  const join = (token: string) => failureOf(stranger().joinHost({ token, hostId: "new3", certificateRequest, url }));
  const [over, elsewhere] = [await newToken("new3"), await newToken("new4")];
  await server.database.pool.query("update join_tokens set expire_time = now() where host_id = 'new3'");
  for (const token of ["dnah_join_x.y", over, elsewhere]) {
    expect(await join(token)).toMatchObject({ reason: "CREDENTIAL_INVALID", nextStep: expect.stringMatching(/dnah/) });
  }
  const { rows } = await server.database.pool.query("select * from join_tokens");
  expect(JSON.stringify(rows)).not.toContain(elsewhere);
});

test("a request that is none, or an address that is none, is refused and leaves the token as it was", async () => {
  const [token, { request: certificateRequest }] = [await newToken(), await makeRequest()];
  const call = { token, hostId: "new5", certificateRequest, url };
  const changed = certificateRequest.slice();
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1; // of its signature
  for (const wrong of [
    { certificateRequest: changed },
    { certificateRequest: new Uint8Array([1, 2, 3]) },
    { url: "https://[nowhere" },
  ]) {
    expect(await failureOf(stranger().joinHost({ ...call, ...wrong }))).toMatchObject({ reason: "FIELD_INVALID" });
  }
  await stranger().joinHost(call);
});

test("only a token made for it takes over a host that there is", async () => {
  const { request: certificateRequest } = await makeRequest();
  const join = async (token: string) => stranger().joinHost({ token, hostId: "new6", certificateRequest, url });
  const first = await join(await newToken());
  expect(await failureOf(join(await newToken()))).toMatchObject({ reason: "FIELD_INVALID", fields: ["host_id"] });
  const second = await join(await newToken("new6"));
  expect(second.bearer).not.toBe(first.bearer);
});

test("tokens are an admin's to make", async () => {
  expect(await failureOf(stranger().createJoinToken({}))).toMatchObject({ reason: "CREDENTIAL_MISSING" });
});

test("a host that joined is followed by every server within moments, and none that was removed", async () => {
  await using another = await server.another();
  const host = createFakeHost("later");
  const { request: certificateRequest, key } = await makeRequest();
  await using daemon = await startHostDaemon({ pki: server.pki, host });
  const joining = { token: await newToken(), hostId: "later", certificateRequest, url: daemon.address.url };
  daemon.show({ ...(await stranger().joinHost(joining)), key });
  for (const { statuses } of [server.server, another]) {
    await until(() => statuses.get("later")?.connected === true);
  }
  const { hosts } = await admin().listHosts({});
  expect(hosts.find(({ id }) => id === "later")).toMatchObject({ state: HostState.READY, vcpus: 16 });

  await server.database.pool.query("update hosts set draining = id <> 'later'");
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  expect(sandbox?.hostId).toBe("later");
  expect(await failureOf(admin().removeHost({ hostId: "later" }))).toMatchObject({ reason: "RESOURCE_IN_USE" });
  await server.client(SandboxService).deleteSandbox({ sandboxId: sandbox?.id ?? "" });
  await admin().removeHost({ hostId: "later" });
  await until(() => !server.server.statuses.has("later") && !another.statuses.has("later"));
  expect(await failureOf(admin().removeHost({ hostId: "later" }))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
});

test("a server with another secret, or none, does not start with this platform's database", async () => {
  using dir = tempDir();
  const open = (file: string) => openPlatformKeys(server.database.db, file, Date.now());
  await expect(open(`${dir.path}/absent`)).rejects.toThrow(/Copy it from a server of this platform/);
  writeFileSync(`${dir.path}/other`, "other");
  await expect(open(`${dir.path}/other`)).rejects.toThrow(/is not this platform's/);
  const again = await createServerPki(await open(server.config.secretFile), Date.now());
  expect(again.certificate).toBe(server.pki.certificate);
});
