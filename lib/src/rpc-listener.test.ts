import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  type GrpcTransportOptions,
} from "@connectrpc/connect-node";
import { ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { describe, expect, test } from "vitest";
import { listenDual } from "./dual-http-server.ts";
import { typedErrors, validateRequests } from "./interceptors.ts";
import { silentLogger } from "./log.ts";
import { problem } from "./problem.ts";
import { createRpcListener, heldKey } from "./rpc-listener.ts";

function routes(router: ConnectRouter): void {
  router.service(FileService, {
    writeFile: (request) => ({ info: { path: request.path, size: BigInt(request.data.length) } }),
    statFile: () => {
      throw problem("FILE_NOT_FOUND", "/x is not there.");
    },
    async *searchFiles() {
      yield {};
    },
    async *readFile() {
      yield { part: { case: "data" as const, value: new Uint8Array([1]) } };
      throw new Error("secret detail");
    },
  });
}

async function serve(failure?: unknown) {
  const rpc = createRpcListener({
    routes,
    maxBodyBytes: 4096,
    log: silentLogger,
    interceptors: [typedErrors(silentLogger), validateRequests],
  });
  const server = await listenDual({
    host: "127.0.0.1",
    port: 0,
    handler: (request, response) => {
      if (failure ? rpc.fail(request, response, failure) : rpc.handle(request, response)) return;
      throw new Error(`${request.url} is no rpc`);
    },
  });
  return Object.assign(server, { url: `http://127.0.0.1:${server.address.port}` });
}

type More = Partial<Pick<GrpcTransportOptions, "sendCompression">>;

const transports = {
  "Connect over HTTP/1.1": (baseUrl: string, more?: More) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", ...more }),
  "Connect over HTTP/2": (baseUrl: string, more?: More) =>
    createConnectTransport({ baseUrl, httpVersion: "2", ...more }),
  "Connect with JSON": (baseUrl: string, more?: More) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, ...more }),
  gRPC: (baseUrl: string, more?: More) => createGrpcTransport({ baseUrl, ...more }),
  "gRPC-Web": (baseUrl: string, more?: More) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", ...more }),
};

async function first<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const message of stream) return message;
  return undefined;
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  return { code: error.code, message: error.rawMessage, info: error.findDetails(ErrorInfoSchema)[0] };
}

describe.each(Object.entries(transports))("%s", (_, transport) => {
  test("a call is answered", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    expect((await client.writeFile({ path: "/a", data: new Uint8Array(3) })).info?.size).toBe(3n);
  });

  test("a field that breaks its rule is named", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    const { code, info } = await failureOf(client.writeFile({ path: "a\0b" }));
    expect(code).toBe(Code.InvalidArgument);
    expect(info?.reason).toBe(ErrorReason.FIELD_INVALID);
    expect(info?.violations.map((violation) => [violation.field, violation.rule])).toEqual([
      ["path", "string.pattern"],
    ]);
    expect(info?.nextStep).toContain("fields");
  });

  test("a body over the limit is BODY_TOO_LARGE", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    const { code, info } = await failureOf(client.writeFile({ path: "/a", data: new Uint8Array(5000) }));
    expect(code).toBe(Code.ResourceExhausted);
    expect(info?.reason).toBe(ErrorReason.BODY_TOO_LARGE);
    expect(info?.metadata.max_bytes).toBe("4096");
    expect(info?.metadata.request_id).toMatch(/./);
  });

  test("a body that unpacks to more than the limit is BODY_TOO_LARGE", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url, { sendCompression: compressionGzip }));
    expect((await client.writeFile({ path: "/a", data: new Uint8Array(2000) })).info?.size).toBe(2000n);
    const { code, info } = await failureOf(client.writeFile({ path: "/a", data: new Uint8Array(5000) }));
    expect([code, info?.reason]).toEqual([Code.ResourceExhausted, ErrorReason.BODY_TOO_LARGE]);
  });

  test("what a request has more of than may be is told without a look at each", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    const exclude = Array.from({ length: 65 }, () => ""); // each breaks its rule as well
    const { info } = await failureOf(first(client.searchFiles({ path: "a\0", excludeGlobs: exclude })));
    expect(info?.violations.map(({ field, rule }) => [field, rule])).toEqual([["exclude_globs", "repeated.max_items"]]);
  });

  test("a connection lives on after a body over the limit", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    for (const _ of [1, 2]) {
      const { info } = await failureOf(client.writeFile({ path: "/a", data: new Uint8Array(3_000_000) }));
      expect(info?.reason).toBe(ErrorReason.BODY_TOO_LARGE);
      expect((await client.writeFile({ path: "/a", data: new Uint8Array(3) })).info?.size).toBe(3n);
    }
  });

  test("a typed problem keeps its reason", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    const { code, info } = await failureOf(client.statFile({ path: "/x" }));
    expect([code, info?.reason]).toEqual([Code.NotFound, ErrorReason.FILE_NOT_FOUND]);
  });

  test("a fault in a stream becomes INTERNAL without its detail", async () => {
    await using server = await serve();
    const client = createClient(FileService, transport(server.url));
    const read = async () => {
      for await (const _part of client.readFile({ path: "/x" }));
    };
    const { code, message, info } = await failureOf(read());
    expect([code, info?.reason]).toEqual([Code.Internal, ErrorReason.INTERNAL]);
    expect(message).not.toContain("secret");
  });

  test("a call failed before its handler carries the typed error", async () => {
    await using server = await serve(problem("CREDENTIAL_MISSING", "No credential came."));
    const client = createClient(FileService, transport(server.url));
    const unary = await failureOf(client.statFile({ path: "/x" }));
    expect([unary.code, unary.info?.reason]).toEqual([Code.Unauthenticated, ErrorReason.CREDENTIAL_MISSING]);
    const read = async () => {
      for await (const _part of client.readFile({ path: "/x" }));
    };
    const stream = await failureOf(read());
    expect([stream.code, stream.info?.reason]).toEqual([Code.Unauthenticated, ErrorReason.CREDENTIAL_MISSING]);
  });
});

describe("a call that is not admitted", () => {
  const serveNobody = async (path: "admit" | "fail") => {
    const failure = problem("CREDENTIAL_MISSING", "no");
    const rpc = createRpcListener({
      routes: (router) => {
        router.service(TemplateService, { listTemplates: () => ({ nextPageToken: "secret" }) });
        router.service(FileService, { writeFile: () => ({ info: { path: "secret" } }) });
      },
      ...{ maxBodyBytes: 4096, log: silentLogger },
      ...(path === "admit" ? { admit: () => Promise.reject(failure) } : {}),
    });
    const handle = path === "admit" ? rpc.handle : rpc.fail;
    const server = await listenDual({
      ...{ host: "127.0.0.1", port: 0 },
      handler: (request, response) => void handle(request, response, failure),
    });
    return Object.assign(server, { url: `http://127.0.0.1:${server.address.port}` });
  };

  test.each(["admit", "fail"] as const)("is answered while its body is still to come (%s)", async (path) => {
    await using server = await serveNobody(path);
    const session = http2.connect(server.url);
    const headers = { ":method": "POST", "content-type": "application/proto" };
    const stream = session.request({ ...headers, ":path": "/daytonah.v1.FileService/WriteFile" });
    stream.write(Buffer.alloc(1000));
    const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    expect(head[":status"]).toBe(401);
    session.destroy();
  });

  test.each(["admit", "fail"] as const)("is refused by GET, too, which has no body (%s)", async (path) => {
    await using server = await serveNobody(path);
    const query = "connect=v1&encoding=json&message=%7B%7D";
    const answer = await fetch(`${server.url}/daytonah.v1.TemplateService/ListTemplates?${query}`);
    expect([answer.status, await answer.text()]).toEqual([401, expect.not.stringContaining("secret")]);
  });
});

describe("a call to no host", () => {
  const path = "/daytonah.v1.FileService/StatFile";

  test.each(["HTTP/1.0", "HTTP/1.1\r\nHost: [\r\nConnection: close"])(
    "is answered, and the next one as well (%j)",
    async (head) => {
      await using server = await serve();
      for (const _ of [1, 2]) {
        const socket = net.connect(server.address.port, "127.0.0.1");
        socket.end(`POST ${path} ${head}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
        expect(Buffer.concat(await socket.toArray()).toString()).toMatch(
          /^HTTP\/1.1 400 [\s\S]*ERROR_REASON_FIELD_INVALID/,
        );
      }
    },
  );

  test("is answered over HTTP/2", async () => {
    await using server = await serve();
    const session = http2.connect(server.url);
    const headers = { ":method": "POST", ":authority": "[", ":path": path, "content-type": "application/proto" };
    const [answer] = (await once(session.request(headers).end(), "response")) as [http2.IncomingHttpHeaders];
    expect(answer[":status"]).toBe(400);
    session.destroy();
  });
});

describe.each(Object.entries(transports))("what a call holds, by %s", (_, transport) => {
  /** Calls hold one thing each; the slow ones go on until they are told. */
  const serveHolders = async () => {
    let held = 0;
    const going = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const rpc = createRpcListener({
      routes: (router) =>
        router.service(FileService, {
          statFile: ({ path }) => {
            if (path === "/x") throw problem("FILE_NOT_FOUND", "/x is not there.");
            return {};
          },
          async writeFile() {
            begun.resolve();
            await going.promise;
            return {};
          },
          async *readFile({ path }, { signal }) {
            yield { part: { case: "data" as const, value: new Uint8Array([1]) } };
            if (path === "/long") await new Promise((_, reject) => signal.addEventListener("abort", reject));
          },
        }),
      ...{ maxBodyBytes: 4096, log: silentLogger, interceptors: [typedErrors(silentLogger)] },
      async admit(request, __, values) {
        held += 1;
        values.get(heldKey).defer(() => {
          held -= 1;
        });
        if (request.headers.refuse) throw problem("SCOPE_MISSING", "no");
      },
    });
    const sockets = new Set<net.Socket>();
    const server = await listenDual({
      ...{ host: "127.0.0.1", port: 0, handler: (request, response) => void rpc.handle(request, response) },
      onConnection: (socket) => sockets.add(socket),
    });
    const client = createClient(FileService, transport(`http://127.0.0.1:${server.address.port}`));
    const letGo = () => expect.poll(() => held).toBe(0);
    const cut = () => sockets.forEach((socket) => void socket.destroy());
    return Object.assign(server, { client, held: () => held, begun: begun.promise, go: going.resolve, letGo, cut });
  };

  test("is let go when it was answered, failed, refused, read to its end or left", async () => {
    await using server = await serveHolders();
    const { client, letGo } = server;
    await client.statFile({ path: "/y" });
    await letGo();
    await expect(client.statFile({ path: "/x" })).rejects.toThrow();
    await letGo();
    await expect(client.statFile({ path: "/y" }, { headers: { refuse: "1" } })).rejects.toThrow();
    await letGo();
    await Array.fromAsync(client.readFile({ path: "/short" }));
    await letGo();
    for (const end of [(abort: AbortController) => abort.abort(), server.cut]) {
      const abort = new AbortController();
      const reading = client.readFile({ path: "/long" }, { signal: abort.signal })[Symbol.asyncIterator]();
      await reading.next();
      expect(server.held()).toBe(1);
      end(abort);
      await expect(reading.next()).rejects.toThrow();
      await letGo();
    }
  });

  test("is held as long as its handler works, also where its client has gone", async () => {
    await using server = await serveHolders();
    const abort = new AbortController();
    const writing = server.client.writeFile({ path: "/y" }, { signal: abort.signal });
    await server.begun;
    abort.abort();
    await expect(writing).rejects.toThrow();
    await server.client.statFile({ path: "/y" });
    await expect.poll(server.held).toBe(1);
    server.go();
    await server.letGo();
  });
});
