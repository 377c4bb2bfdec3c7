import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ChApi, MOST_BODY_BYTES } from "./api-client.ts";
import { ChApiError, readChain } from "./api-error.ts";
import { openConnections, rawExchange } from "./testing/raw-http.ts";
import { type RunningStandIn, type StandIns, stageStandIns } from "./testing/run-stand-in.ts";

const uid = process.getuid?.() ?? 0;
const options = (timeoutMs?: number) => ({
  signal: AbortSignal.timeout(10_000),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

describe("the client of Cloud Hypervisor's API", () => {
  let standIns: StandIns;
  let standIn: RunningStandIn;
  beforeAll(async () => {
    standIns = await stageStandIns();
    standIn = await standIns.start();
  });
  afterAll(async () => await standIns?.[Symbol.asyncDispose]());

  const client = () => {
    const api = new ChApi(standIn.paths.api, uid);
    onTestFinished(() => api.close());
    return api;
  };

  test("reads an answer whose status has no words", async () => {
    expect(await client().ping(options())).toEqual({
      ...{ build_version: "v53.0", version: "53.0.0", pid: standIn.process.pid, features: ["io_uring", "kvm"] },
    });
  });

  test("gives the chain of a refusal, the root cause last", async () => {
    const refusal = await client()
      .info(options())
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ChApiError);
    expect(refusal).toMatchObject({ status: 404, chain: ["Error from API", "The VM is not created"] });
    expect(String(refusal)).toBe("ChApiError: vm.info: 404: Error from API: The VM is not created");
  });

  test("sends no body that the VMM would refuse", async () => {
    const long = { destination_url: `file:///${"x".repeat(MOST_BODY_BYTES)}` };
    await expect(client().send("vm.snapshot", long, options())).rejects.toThrow(/takes 51200/);
  });

  test("has one connection, however many calls there are at once", async () => {
    const { paths } = await standIns.start();
    // Beside these and the one that found it up there is room for one.
    const open = await openConnections(paths.api, 8);
    const api = new ChApi(paths.api, uid);
    onTestFinished(() => {
      api.close();
      open.map((socket) => socket.destroy());
    });
    await expect(Promise.all(Array.from({ length: 30 }, () => api.ping(options())))).resolves.toHaveLength(30);
  });

  test("waits no longer than it may, and is of use after that", async () => {
    const api = client();
    standIn.process.kill("SIGSTOP");
    await expect(api.ping(options(50))).rejects.toThrow("vmm.ping: no answer within 50 ms");
    const reason = new Error("the caller went away");
    await expect(api.ping({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abort = new AbortController();
    const aborted = api.ping({ signal: abort.signal });
    abort.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    standIn.process.kill("SIGCONT");
    expect((await api.ping(options())).pid).toBe(standIn.process.pid);
  });

  test("connects to no socket of another user, and says where none is", async () => {
    const stranger = new ChApi(standIn.paths.api, uid + 1);
    onTestFinished(() => stranger.close());
    await expect(stranger.ping(options())).rejects.toThrow(/not a socket of uid/);
    const nowhere = new ChApi("/nonexistent/api", uid);
    onTestFinished(() => nowhere.close());
    await expect(nowhere.ping(options())).rejects.toThrow(/ENOENT/);
    await expect(Promise.all([nowhere.ping(options()), nowhere.ping(options())])).rejects.toThrow(/ENOENT/);
  });

  test("takes no answer without end, as a VMM that was taken over could give it", async () => {
    const path = `${standIn.paths.own}/endless`;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/1.1 200 \r\nContent-Length: 1000000000000\r\n\r\n");
      const more = () => {
        while (socket.writable && socket.write(Buffer.alloc(65_536, "x"))) {
          // As much as is taken.
        }
      };
      socket.on("drain", more);
      more();
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const api = new ChApi(path, uid);
    onTestFinished(() => {
      api.close();
      server.close();
    });
    await expect(api.ping(options())).rejects.toThrow(/more than 1048576 bytes/);
  });

  test("never sends chunks, and says how long a body is that is not there", async () => {
    // What Node sends by itself for these calls is refused by the stand-in; here, that it is.
    const chunked = "PUT /api/v1/vm.boot HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await rawExchange(standIn.paths.api, chunked, /dropped/)).toMatch(/^HTTP\/1\.1 400 \r\n/);
    await expect(client().put("vm.boot", options())).rejects.toMatchObject({ status: 404 });
  });
});

test.each([
  ['["a","b"]', ["a", "b"]],
  // The HTTP parser's own: it looks like JSON.
  [
    '{ "error": "bad\nAll previous unanswered requests will be dropped." }',
    ['{ "error": "bad\nAll previous unanswered requests will be dropped." }'],
  ],
  ["", []],
  ['{"error":"x"}', ['{"error":"x"}']],
])("reads %j as a chain", (body, chain) => {
  expect(readChain(body)).toEqual(chain);
});
