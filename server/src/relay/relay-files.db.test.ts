import http from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { wasReset } from "@daytonah/lib/edge/join-streams.ts";
import type { NodeHandler } from "@daytonah/lib/node-http.ts";
import { fileQueryOf, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestServer, testServer } from "../testing/test-server.ts";

/** What the host was asked. It answers with the length of the body, and breaks off where the path asks for that. */
const seen: { method: string; url: string; headers: Record<string, unknown> }[] = [];
const halfway = Promise.withResolvers<void>();
const left = Promise.withResolvers<void>();
const ended: string[] = [];
const host: NodeHandler = (request, response) => {
  seen.push({ method: request.method ?? "", url: request.url ?? "", headers: { ...request.headers } });
  let length = 0;
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (request.url?.includes("half")) halfway.resolve();
  });
  if (request.url?.includes("half")) {
    const { stream } = request as Http2ServerRequest;
    stream.once("end", () => ended.push(wasReset(stream) ? "broken" : "whole"));
    stream.once("close", () => left.resolve());
  }
  request.on("end", () => {
    response.setHeader("etag", '"tag"');
    response.statusCode = 206;
    if (!request.url?.includes("cut")) return void response.end(String(length));
    response.setHeader("content-length", 10);
    (response as { write(text: string, written: () => void): void }).write("half", () =>
      server.daemon.cutConnections(),
    );
  });
};

let server: TestServer;
let sandboxId: string;
let accessToken: string;

beforeAll(async () => {
  server = await testServer({ plainHttp: host });
  const created = await server.client(SandboxService).createSandbox({});
  sandboxId = created.sandbox?.id ?? "";
  accessToken = created.accessToken;
});
afterAll(() => server[Symbol.asyncDispose]());

const ask = (query: string, init: RequestInit = {}, resource = "files", id = sandboxId) =>
  fetch(`${server.url}/v1/sandboxes/${id}/${resource}?${query}`, init);
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

async function failureOf(response: Response) {
  const { details } = (await response.json()) as { details: { debug: { reason: string } }[] };
  return [response.status, details[0]?.debug.reason.replace("ERROR_REASON_", "")];
}

test("a body of any length passes, with what describes it, and without the client's credentials", async () => {
  const body = new Uint8Array(5 * 1024 * 1024);
  for (const headers of [bearer(server.adminKey), bearer(accessToken), { "x-api-key": server.adminKey }]) {
    const answer = await ask("path=/x", { method: "PUT", headers: { ...headers, "content-encoding": "zstd" }, body });
    expect([answer.status, await answer.text()]).toEqual([206, String(body.length)]);
    expect(answer.headers.get("etag")).toBe('"tag"');
  }
  expect(seen).toHaveLength(3);
  const [first] = seen;
  expect(first).toMatchObject({ method: "PUT", url: `/v1/sandboxes/${sandboxId}/files?path=/x` });
  expect(first?.headers).toMatchObject({ "sandbox-id": sandboxId, "sandbox-epoch": "1", "content-encoding": "zstd" });
  expect(JSON.stringify(seen)).not.toContain(server.adminKey);
  expect(JSON.stringify(seen)).not.toContain(accessToken);
});

test("an upload whose client leaves never looks whole to the host", async () => {
  const url = new URL(`${server.url}/v1/sandboxes/${sandboxId}/files?path=/half`);
  const upload = http.request(url, { method: "PUT", headers: bearer(server.adminKey) });
  upload.on("error", () => undefined).write("half of it");
  await halfway.promise;
  upload.destroy();
  await left.promise;
  expect(ended).not.toContain("whole");
});

test("a signed address needs no credential, for what it allows and as long as it does", async () => {
  const key = signingKeyOf(accessToken);
  const sign = (operation: "read" | "write", ms: number, more = {}) =>
    String(fileQueryOf(key, { sandboxId, operation, path: "/a b", user: "", ...more }, new Date(Date.now() + ms)));
  const read = sign("read", 60_000);
  expect((await ask(read)).status).toBe(206);
  expect((await ask(sign("write", 60_000), { method: "PUT", body: "x" })).status).toBe(206);
  expect(await failureOf(await ask(read, { method: "PUT", body: "x" }))).toEqual([401, "CREDENTIAL_INVALID"]);
  expect(await failureOf(await ask(read.replace("%2Fa", "%2Fb")))).toEqual([401, "CREDENTIAL_INVALID"]);
  expect(await failureOf(await ask(sign("read", -2_000)))).toEqual([403, "LINK_EXPIRED"]);
  expect(await failureOf(await ask(read, {}, "archive"))).toEqual([401, "CREDENTIAL_MISSING"]);
  const elsewhere = sign("read", 60_000, { sandboxId: "nosuch" });
  expect(await failureOf(await ask(elsewhere, {}, "files", "nosuch"))).toEqual([401, "CREDENTIAL_INVALID"]);
});

test("what can't be relayed says why", async () => {
  expect(await failureOf(await ask("path=/x"))).toEqual([401, "CREDENTIAL_MISSING"]);
  const headers = bearer(server.adminKey);
  expect(await failureOf(await ask("path=/x", { headers }, "files", "nosuch"))).toEqual([404, "SANDBOX_NOT_FOUND"]);
  expect(await failureOf(await ask("path=/x", { headers }, "other"))).toEqual([404, "UNKNOWN_CALL"]);
  const head = await ask("path=/x", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([401, ""]);
});

test("a host that breaks off in the middle is no clean end", async () => {
  const answer = await ask("path=/cut", { headers: bearer(server.adminKey) });
  await expect(answer.text()).rejects.toThrow();
});

test("a browser may ask, and see what the answer says", async () => {
  const headers = { origin: "https://app.example", "access-control-request-method": "PUT" };
  const preflight = await ask("path=/x", { method: "OPTIONS", headers });
  expect(preflight.headers.get("access-control-allow-methods")).toContain("PUT");
  expect(preflight.headers.get("access-control-allow-headers")).toMatch(/authorization.*range/);
  const answer = await ask("path=/x", { headers: { ...bearer(accessToken), origin: "https://app.example" } });
  expect(answer.headers.get("access-control-expose-headers")).toMatch(/content-range.*etag/);
});
