/** One organization before everything that names another's. What is asked is read from the protos, so that a new call is held to it, too. */
import { once } from "node:events";
import http from "node:http";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { FileUrlOperation, SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer } from "../testing/test-server.ts";

let server: TestServer;
let sandboxId: string;
let accessToken: string;
/** Of another organization. */
let otherKey: string;
/** Of a sandbox of theirs. */
let otherToken: string;

beforeAll(async () => {
  server = await testServer({ routes: createDataPlane().routes });
  const mine = await server.client(SandboxService).createSandbox({});
  sandboxId = mine.sandbox?.id ?? "";
  accessToken = mine.accessToken;
  otherKey = (await server.client(OrganizationService).createOrganization({ name: "other" })).apiKey;
  otherToken = (await server.client(SandboxService, bearer(otherKey)).createSandbox({})).accessToken;
});
afterAll(() => server[Symbol.asyncDispose]());

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

const namesSandbox = ({ input, methodKind }: DescMethod) =>
  methodKind === "unary" && input.fields.some(({ localName }) => localName === "sandboxId");
const callsOf = (service: DescService) =>
  service.methods.map((method): [string, DescMethod] => [`${service.typeName}/${method.name}`, method]);

/** What a call must have to be looked at. */
const needed: Readonly<Record<string, object>> = {
  CreatePortUrl: { port: 80 },
  RollBackSandbox: { snapshotId: "snap_0" },
  SetPortVisibility: { port: 80, public: true },
  CreateFileUrl: { path: "/x", operation: FileUrlOperation.READ },
};

test.each([SandboxService, SnapshotService].flatMap(callsOf).filter(([, method]) => namesSandbox(method)))(
  "%s knows no other organization's sandbox",
  async (path, { name }) => {
    const body = JSON.stringify({ sandboxId, ...needed[name] });
    const headers = { ...bearer(otherKey), "content-type": "application/json" };
    const answer = await fetch(`${server.url}/${path}`, { method: "POST", headers, body });
    expect(await answer.text()).toMatch(/"(ERROR_REASON_SANDBOX_NOT_FOUND|ERROR_REASON_UNKNOWN_CALL|unimplemented)"/);
  },
);

test.each([ProcessService, FileService, PortService, MonitoringService].flatMap(callsOf))(
  "%s reaches no other organization's sandbox, by key or token",
  async (path, { methodKind }) => {
    const contentType = methodKind === "unary" ? "application/json" : "application/connect+json";
    const ask = async (credential: string) => {
      const headers = { ...bearer(credential), "content-type": contentType, "sandbox-id": sandboxId };
      const answer = await fetch(`${server.url}/${path}`, { method: "POST", headers, body: "{}" });
      return /ERROR_REASON_\w+/.exec(await answer.text())?.[0];
    };
    expect(await ask(otherKey)).toBe("ERROR_REASON_SANDBOX_NOT_FOUND");
    expect(await ask(otherToken)).toBe("ERROR_REASON_CREDENTIAL_INVALID");
  },
);

test.each([
  ...["GET", "PUT", "POST", "PATCH"].map((method) => [method, "files?path=/x"]),
  ...["GET", "PUT"].map((method) => [method, "archive?path=/x"]),
])("%s %s reaches no other organization's sandbox", async (method, path) => {
  const ask = async (credential: string) => {
    const init = { method, headers: bearer(credential), ...(method === "GET" ? {} : { body: "x" }) };
    const answer = await fetch(`${server.url}/v1/sandboxes/${sandboxId}/${path}`, init);
    return /ERROR_REASON_\w+/.exec(await answer.text())?.[0];
  };
  expect(await ask(otherKey)).toBe("ERROR_REASON_SANDBOX_NOT_FOUND");
  expect(await ask(otherToken)).toBe("ERROR_REASON_CREDENTIAL_INVALID");
});

test("a port as bare bytes is of no other organization's sandbox", async () => {
  for (const [credential, status] of [
    [otherKey, 404],
    [otherToken, 401],
  ] as const) {
    const headers = { ...bearer(credential), connection: "upgrade", upgrade: "dnah-tcp" };
    const [answer] = (await once(
      http.get(`${server.url}/v1/sandboxes/${sandboxId}/ports/80`, { headers }),
      "response",
    )) as [http.IncomingMessage];
    answer.resume();
    expect(answer.statusCode).toBe(status);
  }
});

test("an idempotency key is its organization's own", async () => {
  const mine = await server.client(SandboxService).createSandbox({ idempotencyKey: "same" });
  const theirs = await server.client(SandboxService, bearer(otherKey)).createSandbox({ idempotencyKey: "same" });
  expect([mine.replayed, theirs.replayed]).toEqual([false, false]);
  expect(theirs.sandbox?.id).not.toBe(mine.sandbox?.id);
});

test("another organization's key can't be revoked, nor seen", async () => {
  const { apiKey } = await server.client(ApiKeyService).createApiKey({ name: "mine" });
  const apiKeyId = apiKey?.id ?? "";
  const others = server.client(ApiKeyService, bearer(otherKey));
  expect(await failureOf(others.revokeApiKey({ apiKeyId }))).toMatchObject({ reason: "RESOURCE_NOT_FOUND" });
  expect((await server.client(ApiKeyService).listApiKeys({})).apiKeys.map(({ id }) => id)).toContain(apiKeyId);
  expect((await others.listApiKeys({})).apiKeys.map(({ id }) => id)).not.toContain(apiKeyId);
});

test.each(["8640000000000000", "-8640000000000000", "1e15", "", "0x10"])(
  "a page token with the time %j is answered, or refused as a field",
  async (time) => {
    const pageToken = Buffer.from(JSON.stringify(["sandboxes", time, "\ud800"])).toString("base64url");
    const outcome = await server
      .client(SandboxService)
      .listSandboxes({ pageToken })
      .then(
        () => "FIELD_INVALID",
        async (error: unknown) => (await failureOf(Promise.reject(error))).reason,
      );
    expect(outcome).toBe("FIELD_INVALID");
  },
);

test("a deleted sandbox's token and links open nothing; who has them is told that it is gone, nobody else", async () => {
  const sandboxes = server.client(SandboxService);
  const { sandbox, accessToken: token } = await sandboxes.createSandbox({});
  const id = sandbox?.id ?? "";
  const { url } = await sandboxes.createFileUrl({ sandboxId: id, path: "/x", operation: FileUrlOperation.READ });
  await sandboxes.deleteSandbox({ sandboxId: id });
  const reasonOf = async (answer: Response) => /ERROR_REASON_\w+/.exec(await answer.text())?.[0];
  const ask = (credential: string) =>
    fetch(`${server.url}/v1/sandboxes/${id}/files?path=/x`, { headers: bearer(credential) });
  expect(await reasonOf(await fetch(url))).toBe("ERROR_REASON_SANDBOX_NOT_FOUND");
  expect(await reasonOf(await ask(token))).toBe("ERROR_REASON_SANDBOX_NOT_FOUND");
  expect(await reasonOf(await ask(accessToken))).toBe("ERROR_REASON_CREDENTIAL_INVALID");
  expect(await reasonOf(await fetch(`${url.slice(0, -1)}_`))).toBe("ERROR_REASON_CREDENTIAL_INVALID");
});
