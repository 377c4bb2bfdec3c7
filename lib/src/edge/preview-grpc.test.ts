import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { LookupFunction } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { describe, expect, test } from "vitest";
import { listening, type OneEdge, oneEdge } from "./testing/one-edge.ts";

/** A real gRPC server over HTTP/2 without TLS: what users run in their sandboxes. */
function grpcServer(seen: { headers?: Headers; aborted?: Promise<void> } = {}) {
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(ProcessService, {
        async *exec(request, context) {
          seen.headers = context.requestHeader;
          seen.aborted = new Promise((resolve) => context.signal.addEventListener("abort", () => resolve()));
          for (let pid = 1; pid <= 3; pid += 1) yield { event: { case: "started", value: { pid } } };
          if (request.tag === "hang") await seen.aborted;
          if (request.tag === "fail") throw new ConnectError("no ä", Code.DataLoss, { "x-end": "1" });
        },
        listProcesses() {
          throw new ConnectError("at once", Code.OutOfRange);
        },
      });
    },
  });
  return http2.createServer(adapter);
}

const here: LookupFunction = (_, { all }, done) =>
  all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);

function clientOf(edge: OneEdge, port: number) {
  const transport = createGrpcTransport({
    baseUrl: `http://${edge.hostOf(port)}`,
    nodeOptions: { lookup: here },
    interceptors: [
      (next) => (request) => {
        request.header.set("dnah-port-token", edge.tokenFor(port));
        return next(request);
      },
    ],
  });
  return createClient(ProcessService, transport);
}

async function pidsOf(calls: ReturnType<ReturnType<typeof clientOf>["exec"]>): Promise<number[]> {
  const pids: number[] = [];
  for await (const { event } of calls) if (event.case === "started") pids.push(event.value.pid);
  return pids;
}

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => expect.fail("the call should have failed"),
    (error: unknown) => ConnectError.from(error),
  );

describe("a gRPC server in the guest", () => {
  test("streams, and its calls share one connection", async () => {
    await using edge = await oneEdge();
    const seen: { headers?: Headers } = {};
    await using guest = await listening(grpcServer(seen));
    const client = clientOf(edge, guest.port);
    expect(await Promise.all([1, 2, 3].map(() => pidsOf(client.exec({}))))).toEqual([1, 2, 3].map(() => [1, 2, 3]));
    expect(edge.connections.made).toBeLessThanOrEqual(3);
    expect(await pidsOf(client.exec({}))).toEqual([1, 2, 3]);
    expect(seen.headers?.get("x-forwarded-for")).toBe("127.0.0.1");
    expect(seen.headers?.has("dnah-port-token")).toBe(false);
  });

  test("fails in its trailers, also at once, with the words and fields that it gives", async () => {
    await using edge = await oneEdge();
    await using guest = await listening(grpcServer());
    const client = clientOf(edge, guest.port);
    const late = await failureOf(pidsOf(client.exec({ tag: "fail" })));
    expect([late.code, late.rawMessage, late.metadata.get("x-end")]).toEqual([Code.DataLoss, "no ä", "1"]);
    expect((await failureOf(client.listProcesses({}))).code).toBe(Code.OutOfRange);
  });

  test("hears that its client has left", async () => {
    await using edge = await oneEdge();
    const seen: { aborted?: Promise<void> } = {};
    await using guest = await listening(grpcServer(seen));
    const leaving = new AbortController();
    const calls = clientOf(edge, guest.port).exec({ tag: "hang" }, { signal: leaving.signal });
    const failure = failureOf(
      (async () => {
        for await (const _ of calls) leaving.abort();
      })(),
    );
    expect((await failure).code).toBe(Code.Canceled);
    await seen.aborted;
  });

  test("that is not there is told in gRPC's way, and so is a wrong token", async () => {
    await using edge = await oneEdge();
    const failure = await failureOf(pidsOf(clientOf(edge, 1).exec({})));
    expect([failure.code, failure.rawMessage]).toEqual([Code.FailedPrecondition, "port 1: Connection refused"]);
    const stranger = createGrpcTransport({ baseUrl: `http://${edge.hostOf(1)}`, nodeOptions: { lookup: here } });
    const refusal = await failureOf(pidsOf(createClient(ProcessService, stranger).exec({})));
    expect(refusal.code).toBe(Code.Unauthenticated);
  });
});

test("a body that an HTTP/2 client breaks off never looks whole to the program", async () => {
  await using edge = await oneEdge();
  const seen = Promise.withResolvers<http.IncomingMessage>();
  await using guest = await listening(http.createServer((request) => seen.resolve(request.resume())));
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  const stream = session.request({
    ...{ ":method": "POST", ":path": "/", ":authority": edge.hostOf(guest.port) },
    "dnah-port-token": edge.tokenFor(guest.port),
  });
  stream.on("error", () => undefined).write("half");
  const request = await seen.promise;
  const closed = once(request, "close");
  stream.destroy(new Error("enough"));
  await closed.catch(() => undefined);
  expect(request.complete).toBe(false);
  session.destroy();
});

test("an HTTP/2 client reaches an HTTP/1.1 program, with body, several cookies and trailers", async () => {
  await using edge = await oneEdge();
  await using guest = await listening(
    http.createServer((request, response) => {
      response.writeHead(200, [
        ...["set-cookie", "a=1", "set-cookie", "dnah-port=x", "set-cookie", "b=2"],
        ...["x-host", request.headers.host ?? "", "trailer", "x-end"],
      ]);
      request.pipe(response, { end: false });
      request.once("end", () => {
        response.addTrailers({ "x-end": "7" });
        response.end();
      });
    }),
  );
  const session = http2.connect(`http://127.0.0.1:${edge.port}`);
  try {
    const stream = session.request({
      ...{ ":method": "POST", ":path": "/", ":authority": edge.hostOf(guest.port) },
      "dnah-port-token": edge.tokenFor(guest.port),
    });
    let trailers: http2.IncomingHttpHeaders = {};
    stream.once("trailers", (headers) => {
      trailers = headers;
    });
    stream.end("x".repeat(200_000));
    const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    let length = 0;
    for await (const chunk of stream) length += (chunk as Buffer).length;
    expect([headers[":status"], headers["set-cookie"], length]).toEqual([200, ["a=1", "b=2"], 200_000]);
    expect([headers["x-host"], trailers["x-end"]]).toEqual([edge.hostOf(guest.port), "7"]);
  } finally {
    session.destroy();
  }
});
