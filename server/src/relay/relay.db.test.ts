import { once } from "node:events";
import http2 from "node:http2";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { type ExecResponse, ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { describe, expect, test } from "vitest";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { type TestServer, testServer, until, withHeaders } from "../testing/test-server.ts";

const transports: Readonly<Record<string, (baseUrl: string, headers: Record<string, string>) => Transport>> = {
  "Connect over HTTP/1.1": (baseUrl, headers) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [withHeaders(headers)] }),
  "Connect over HTTP/2": (baseUrl, headers) =>
    createConnectTransport({ baseUrl, httpVersion: "2", interceptors: [withHeaders(headers)] }),
  "Connect with JSON": (baseUrl, headers) =>
    createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      useBinaryFormat: false,
      interceptors: [withHeaders(headers)],
    }),
  gRPC: (baseUrl, headers) => createGrpcTransport({ baseUrl, interceptors: [withHeaders(headers)] }),
  "gRPC-Web": (baseUrl, headers) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors: [withHeaders(headers)] }),
};

const argv = (...args: string[]) => ({ command: { case: "argv", value: { args } } }) as const;

async function serve() {
  const dataPlane = createDataPlane();
  const server = await testServer({ routes: dataPlane.routes });
  const { sandbox, accessToken } = await server.client(SandboxService).createSandbox({});
  return { server, dataPlane, sandboxId: sandbox?.id ?? "", accessToken };
}

function headersFor(server: TestServer, sandboxId: string) {
  return { authorization: `Bearer ${server.adminKey}`, "sandbox-id": sandboxId };
}

async function collect(stream: AsyncIterable<ExecResponse>): Promise<string[]> {
  const events: string[] = [];
  for await (const { event } of stream) {
    events.push(event.case === "output" ? new TextDecoder().decode(event.value.data) : String(event.case));
  }
  return events;
}

describe.each(Object.entries(transports))("%s", (_, transport) => {
  test("streams, unary calls and typed errors pass; a broken host ends a stream with HOST_UNAVAILABLE", async () => {
    const { server, dataPlane, sandboxId } = await serve();
    await using _server = server;
    const connection = transport(server.url, headersFor(server, sandboxId));
    const processes = createClient(ProcessService, connection);
    const files = createClient(FileService, connection);

    expect(await collect(processes.exec({ ...argv("count", "2"), env: { A: "é" } }))).toEqual([
      "started",
      "0 é\n",
      "1 é\n",
      "exited",
    ]);
    const data = new Uint8Array(100_000);
    expect((await files.writeFile({ path: "/x", data })).info?.size).toBe(100_000n);

    const process = { selector: { case: "pid", value: 1 } } as const;
    expect(await failureOf(processes.signalProcess({ process, signal: 9 }))).toMatchObject({
      code: "NotFound",
      reason: "PROCESS_NOT_FOUND",
    });
    expect(await failureOf(collect(processes.exec(argv("break"))))).toMatchObject({ reason: "VM_DIED" });

    const broken = processes.exec(argv("hang"))[Symbol.asyncIterator]();
    expect((await broken.next()).value?.event.case).toBe("started");
    expect((await broken.next()).value?.event.case).toBe("output");
    server.daemon.cutConnections();
    expect(await failureOf(broken.next())).toMatchObject({ reason: "HOST_UNAVAILABLE", retries: true });

    const silent = failureOf(collect(processes.exec(argv("quiet"))));
    await until(() => dataPlane.seen.filter(({ signal }) => !signal.aborted).length === 1);
    server.daemon.cutConnections();
    expect(await silent).toMatchObject({ code: "Unavailable", reason: "HOST_UNAVAILABLE", retries: true });
    // And the next call finds a new session.
    expect(await collect(processes.exec(argv("count", "0")))).toEqual(["started", "exited"]);
  });

  test("calls at once each get their headers first, also where the host sends a piece along with them", async () => {
    const { server, sandboxId } = await serve();
    await using _server = server;
    const connection = transport(server.url, headersFor(server, sandboxId));
    const exec = () => collect(createClient(ProcessService, connection).exec(argv("count", "1")));
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(Array.from({ length: 40 }, exec));
      expect(all).toEqual(all.map(() => ["started", "0 \n", "exited"]));
    }
  });

  test("a client that goes away ends the call at the host", async () => {
    const { server, dataPlane, sandboxId } = await serve();
    await using _server = server;
    const processes = createClient(ProcessService, transport(server.url, headersFor(server, sandboxId)));
    const abort = new AbortController();
    const events = processes.exec(argv("hang"), { signal: abort.signal })[Symbol.asyncIterator]();
    await events.next();
    abort.abort();
    await expect(events.next()).rejects.toThrow();
    await until(() => dataPlane.seen.at(-1)?.signal.aborted === true);
  });

  test("a body over the limit is BODY_TOO_LARGE", async () => {
    const { server, sandboxId } = await serve();
    await using _server = server;
    const files = createClient(FileService, transport(server.url, headersFor(server, sandboxId)));
    expect(await failureOf(files.writeFile({ path: "/x", data: new Uint8Array(3 * 1024 * 1024) }))).toMatchObject({
      code: "ResourceExhausted",
      reason: "BODY_TOO_LARGE",
      metadata: { max_bytes: "2097152" },
    });
    // The connection lives on.
    await files.writeFile({ path: "/x", data: new Uint8Array(1) });
  });

  test("what can't be relayed says why", async () => {
    const { server, sandboxId, accessToken } = await serve();
    await using _server = server;
    const call = (headers: Record<string, string>) =>
      createClient(ProcessService, transport(server.url, headers)).listProcesses({});
    const key = `Bearer ${server.adminKey}`;
    const sandbox = { "sandbox-id": sandboxId };

    expect(await failureOf(call(sandbox))).toMatchObject({ code: "Unauthenticated", reason: "CREDENTIAL_MISSING" });
    for (const wrong of ["Basic x", "Bearer nonsense", `Bearer dnah_${"0".repeat(40)}`, "Bearer dnah_sbx_nonsense"]) {
      expect(await failureOf(call({ ...sandbox, authorization: wrong }))).toMatchObject({
        code: "Unauthenticated",
        reason: "CREDENTIAL_INVALID",
      });
    }
    for (const headers of [{}, { "sandbox-id": "NO/such" }]) {
      expect(await failureOf(call({ ...headers, authorization: key }))).toMatchObject({
        code: "InvalidArgument",
        reason: "FIELD_INVALID",
        fields: ["sandbox-id"],
      });
    }
    expect(await failureOf(call({ authorization: key, "sandbox-id": "nosuch" }))).toMatchObject({
      code: "NotFound",
      reason: "SANDBOX_NOT_FOUND",
    });
    await call({ ...sandbox, authorization: `Bearer ${accessToken}` });
    await call({ ...sandbox, "x-api-key": server.adminKey });
    const { sandbox: other } = await server.client(SandboxService).createSandbox({});
    expect(
      await failureOf(call({ authorization: `Bearer ${accessToken}`, "sandbox-id": other?.id ?? "" })),
    ).toMatchObject({ reason: "CREDENTIAL_INVALID" });
  });
});

test("the host gets its own bearer, the epoch and the request's id, and none of the client's credentials", async () => {
  const { server, dataPlane, sandboxId } = await serve();
  await using _server = server;
  const headers = { "sandbox-id": sandboxId, "x-request-id": "r-1", "sandbox-epoch": "99", cookie: "a=b" };
  await server.client(ProcessService, headers).listProcesses({});
  const got = dataPlane.seen.at(-1)?.headers ?? {};
  expect(got).toMatchObject({ "sandbox-id": sandboxId, "sandbox-epoch": "1", "x-request-id": "r-1" });
  expect(got).not.toHaveProperty("cookie");
  expect(JSON.stringify(got)).not.toContain(server.adminKey);
});

test("a client that stops reading stops the host from producing", async () => {
  const { server, dataPlane, sandboxId } = await serve();
  await using _server = server;
  const length = 256n * 1024n * 1024n;
  const response = await fetch(`${server.url}/daytonah.v1.FileService/ReadFile`, {
    method: "POST",
    headers: {
      ...headersFor(server, sandboxId),
      "content-type": "application/connect+json",
    },
    body: envelope(JSON.stringify({ path: "/big", length: String(length) })),
  });
  const reader = response.body?.getReader();
  await reader?.read();
  let last = -1;
  await until(async () => {
    const before = last;
    last = dataPlane.produced();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return last === before && last === dataPlane.produced();
  });
  expect(last).toBeLessThan(64 * 1024 * 1024);
  // Meanwhile others are served.
  await server.client(ProcessService, { "sandbox-id": sandboxId }).listProcesses({});
  await reader?.cancel();
});

test("a deleted, a failed and a lost sandbox are refused at once, each with its reason", async () => {
  const { server, sandboxId } = await serve();
  await using _server = server;
  const call = (id: string) => server.client(ProcessService, { "sandbox-id": id }).listProcesses({});
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  const failed = sandbox?.id ?? "";
  server.host.kill(failed);
  const get = () => server.client(SandboxService).getSandbox({ sandboxId: failed });
  await until(async () => (await get()).sandbox?.state === SandboxState.FAILED);
  expect(await failureOf(call(failed))).toMatchObject({
    code: "FailedPrecondition",
    metadata: { state: "failed", failure_reason: "VM_DIED" },
  });
  await server.database.pool.query("update sandboxes set state = 'lost' where id = $1", [sandboxId]);
  expect(await failureOf(call(sandboxId))).toMatchObject({ reason: "HOST_LOST", retries: true });
  await server.client(SandboxService).deleteSandbox({ sandboxId });
  expect(await failureOf(call(sandboxId))).toMatchObject({ reason: "SANDBOX_NOT_FOUND" });
});

function envelope(json: string): Uint8Array<ArrayBuffer> {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(Buffer.byteLength(json), 1);
  return new Uint8Array([...prefix, ...Buffer.from(json)]);
}

test("a client that leaves before its sandbox is found opens no call at the host", async () => {
  const { server, sandboxId } = await serve();
  await using _server = server;
  const holder = await server.database.pool.connect();
  await holder.query("begin; lock table sandboxes in access exclusive mode");
  const session = http2.connect(server.url);
  const path = `/${ProcessService.typeName}/Exec`;
  const stream = session.request({ ":method": "POST", ":path": path, ...headersFor(server, sandboxId) });
  await until(async () => {
    const waiting = "select from pg_locks where not granted and relation = 'sandboxes'::regclass";
    return ((await holder.query(waiting)).rowCount ?? 0) > 0;
  });
  stream.close(http2.constants.NGHTTP2_CANCEL);
  await once(stream, "close");
  await new Promise((resolve) => session.ping(resolve)); // the server has seen the reset
  await holder.query("commit");
  holder.release();
  await until(async () => (await (await fetch(`${server.url}/metrics`)).text()).includes('outcome="client_gone"'));
  session.close();
});
