import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealAgent, realAgent } from "../guest/testing/real-agent.ts";
import { makePki } from "../testing/pki.ts";
import { accessOf, edgeClients, openEdge, type Protocol } from "./testing/open-edge.ts";

const protocols: readonly Protocol[] = ["connect over HTTP/2", "connect over HTTP/1.1", "gRPC"];
const limits = { strangers: 100, strangerMs: 10_000, perSandbox: 100 };

let agent: RealAgent;

beforeAll(async () => {
  agent = await realAgent();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
});

type Clients = ReturnType<typeof edgeClients>;

async function run({ processes }: Clients, line: string) {
  let text = "";
  for await (const { event } of processes.exec({ command: { case: "shell", value: { line } } })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
  }
  return text;
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return { code: error.code, reason: problemOf(error)?.reason, message: error.rawMessage };
}

describe.each(protocols)("the edge answers %s", (protocol) => {
  test("to whoever has the sandbox's access token", async () => {
    await using edge = await openEdge(agent.path);
    const headers = { authorization: "Bearer token-1", "sandbox-id": edge.sandboxId };
    expect(await run(edgeClients(edge.url, protocol, headers), "echo hello")).toBe("hello\n");
  });

  test("and tells no stranger which sandboxes there are", async () => {
    await using edge = await openEdge(agent.path);
    const refusal = (headers: Record<string, string>) => failureOf(run(edgeClients(edge.url, protocol, headers), "id"));
    const wrong = await refusal({ "x-api-key": "token-2", "sandbox-id": edge.sandboxId });
    expect(wrong).toMatchObject({ code: Code.Unauthenticated, reason: "CREDENTIAL_INVALID" });
    expect(await refusal({ "x-api-key": "token-1", "sandbox-id": "another" })).toEqual(wrong);
    expect(await refusal({ "sandbox-id": edge.sandboxId })).toMatchObject({ reason: "CREDENTIAL_MISSING" });
    expect(await refusal({ "x-api-key": "token-1" })).toMatchObject({ reason: "FIELD_INVALID" });
  });

  test("until the token is replaced: calls under way end, too", async () => {
    await using edge = await openEdge(agent.path);
    const old = edgeClients(edge.url, protocol, { "x-api-key": "token-1", "sandbox-id": edge.sandboxId });
    const running = failureOf(run(old, "sleep 20"));
    await expect.poll(() => agent.front.connections.open).toBe(1);
    await edge.setAccess(accessOf("token-2", 2));
    expect(await running).toMatchObject({ code: Code.Unauthenticated, reason: "CREDENTIAL_INVALID" });
    expect(await failureOf(run(old, "id"))).toMatchObject({ reason: "CREDENTIAL_INVALID" });
    const fresh = edgeClients(edge.url, protocol, { "x-api-key": "token-2", "sandbox-id": edge.sandboxId });
    expect(await run(fresh, "echo again")).toBe("again\n");
  });

  test("which ends them also where they say that they came for a public port", async () => {
    await using edge = await openEdge(agent.path);
    await edge.setAccess(accessOf("token-1", 2, { tokenGeneration: 1, publicPorts: [8000] }));
    const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId, "sandbox-public-port": "8000" };
    const running = failureOf(run(edgeClients(edge.url, protocol, headers), "sleep 20"));
    await expect.poll(() => agent.front.connections.open).toBe(1);
    await edge.setAccess(accessOf("token-2", 3, { publicPorts: [8000] }));
    expect(await running).toMatchObject({ code: Code.Unauthenticated, reason: "CREDENTIAL_INVALID" });
  });

  test("and refuses a call for another epoch", async () => {
    await using edge = await openEdge(agent.path);
    const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId, "sandbox-epoch": "6" };
    const call = run(edgeClients(edge.url, protocol, headers), "id");
    expect(await failureOf(call)).toMatchObject({ code: Code.Aborted, reason: "SANDBOX_STATE_CONFLICT" });
  });
});

test("a change of the public ports leaves calls under way alone", async () => {
  await using edge = await openEdge(agent.path);
  const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId };
  const running = run(edgeClients(edge.url, "gRPC", headers), "sleep 0.5; echo done");
  await expect.poll(() => agent.front.connections.open).toBe(1);
  await edge.setAccess(accessOf("token-1", 2, { tokenGeneration: 1, publicPorts: [80] }));
  expect(await running).toBe("done\n");
});

test("what the control plane asks of the daemon is not reachable at the edge", async () => {
  await using edge = await openEdge(agent.path);
  const transport = createConnectTransport({ baseUrl: edge.url, httpVersion: "2" });
  const failure = await failureOf(createClient(HostDaemonService, transport).listVms({}));
  expect(failure).toMatchObject({ code: Code.Unimplemented, reason: "UNKNOWN_CALL" });
});

test("the edge lets browsers call, and says that it lives", async () => {
  await using edge = await openEdge(agent.path);
  const url = `${edge.url}/daytonah.v1.ProcessService/Exec`;
  const headers = { origin: "https://app.example", "access-control-request-method": "POST" };
  const preflight = await fetch(url, { method: "OPTIONS", headers });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toContain("sandbox-id");
  expect(await (await fetch(`${edge.url}/healthz`)).json()).toEqual({ alive: true });
});

test.each(protocols)("the edge speaks TLS with %s", async (protocol) => {
  const dir = await mkdtemp(join(tmpdir(), "dnah-"));
  makePki(dir);
  const [cert, key] = [await readFile(join(dir, "host.pem"), "utf8"), await readFile(join(dir, "host.key"), "utf8")];
  await using edge = await openEdge(agent.path, { tls: { cert, key } });
  const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId };
  expect(await run(edgeClients(edge.url, protocol, headers), "echo hello")).toBe("hello\n");
  await rm(dir, { recursive: true });
});

describe("connections of strangers", () => {
  const connect = async (port: number) => {
    const socket = net.connect(port, "127.0.0.1");
    const closed = once(socket.resume(), "close");
    await once(socket, "connect");
    return { socket, closed };
  };

  test("are closed after a time, also where they ask what is open to all", async () => {
    await using edge = await openEdge(agent.path, { limits: { ...limits, strangerMs: 300 } });
    const { socket, closed } = await connect(edge.port);
    socket.write("GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n");
    await closed;
  });

  test("are few: the oldest goes for the newest", async () => {
    await using edge = await openEdge(agent.path, { limits: { ...limits, strangers: 2 } });
    const first = await connect(edge.port);
    const second = await connect(edge.port);
    const third = await connect(edge.port);
    await first.closed;
    expect([second.socket.destroyed, third.socket.destroyed]).toEqual([false, false]);
  });

  test("end on a request whose head is too long", async () => {
    await using edge = await openEdge(agent.path);
    const { socket, closed } = await connect(edge.port);
    socket.write(`GET /healthz HTTP/1.1\r\nx: ${"x".repeat(40_000)}`);
    await closed;
  });

  test.each(protocols)("are a sandbox's once they were let in: %s", async (protocol) => {
    await using edge = await openEdge(agent.path, { limits: { ...limits, strangers: 1, strangerMs: 300 } });
    const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId };
    const long = run(edgeClients(edge.url, protocol, headers), "sleep 1; echo done");
    await expect.poll(() => agent.front.connections.open).toBe(1);
    await connect(edge.port);
    await connect(edge.port);
    expect(await long).toBe("done\n");
  });

  test.each(protocols)("and each sandbox has only so many: %s", async (protocol) => {
    await using edge = await openEdge(agent.path, { limits: { ...limits, perSandbox: 1 } });
    const headers = { "x-api-key": "token-1", "sandbox-id": edge.sandboxId };
    const long = run(edgeClients(edge.url, protocol, headers), "sleep 1; echo done");
    await expect.poll(() => agent.front.connections.open).toBe(1);
    const failure = await failureOf(run(edgeClients(edge.url, protocol, headers), "id"));
    expect(failure).toMatchObject({ code: Code.ResourceExhausted, reason: "GUEST_LIMIT_EXCEEDED" });
    expect(await long).toBe("done\n");
  });
});
