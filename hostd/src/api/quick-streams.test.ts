/** Both ways through the port behave alike: connect-es's general one, which gRPC takes, and the quick one. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RealAgent, realAgent } from "../guest/testing/real-agent.ts";
import { clientsOf, sessionOf } from "../testing/daemon.ts";
import { makePki, type TestPki } from "../testing/pki.ts";
import { servedVm } from "./testing/served-vm.ts";

let dir: string;
let pki: TestPki;
let agent: RealAgent;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "dnah-"));
  pki = makePki(dir);
  agent = await realAgent();
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

describe.each(["grpc", "connect"] as const)("a stream over %s", (protocol) => {
  async function port(vsockPath = agent.path, bearer = pki.bearer) {
    const served = await servedVm(pki, vsockPath);
    const session = sessionOf(served.url, pki, pki.server);
    return {
      ...clientsOf(served.url, session, bearer, protocol),
      headers: served.headers,
      async [Symbol.asyncDispose]() {
        session.abort();
        await served[Symbol.asyncDispose]();
      },
    };
  }
  type Port = Awaited<ReturnType<typeof port>>;

  async function run({ processes, headers }: Port, line: string, options: object = {}) {
    let text = "";
    let exitCode: number | undefined;
    const request = { command: { case: "shell" as const, value: { line } } };
    for await (const { event } of processes.exec(request, { headers, ...options })) {
      if (event.case === "output") text += Buffer.from(event.value.data).toString();
      if (event.case === "exited") exitCode = event.value.exitCode;
    }
    return { text, exitCode };
  }

  async function failureOf(call: Promise<unknown>) {
    const error = await call.then(
      () => expect.fail("the call should have failed"),
      (reason: unknown) => ConnectError.from(reason),
    );
    const problem = problemOf(error);
    return { code: error.code, reason: problem?.reason, field: problem?.options.violations?.[0]?.field };
  }

  test("brings output and exit code", async () => {
    await using to = await port();
    expect(await run(to, "echo a; echo b >&2; exit 4")).toEqual({ text: "a\nb\n", exitCode: 4 });
  });

  test("brings a large file whole", async () => {
    await using to = await port();
    const data = Buffer.alloc(9_000_000, "0123456789abcdef");
    await writeFile(join(dir, "large"), data);
    const parts: Uint8Array[] = [];
    for await (const { part } of to.files.readFile({ path: join(dir, "large") }, { headers: to.headers })) {
      if (part.case === "data") parts.push(part.value);
    }
    expect(Buffer.concat(parts).equals(data)).toBe(true);
  });

  test("is refused for a field that breaks its rule, before the agent sees it", async () => {
    await using to = await port("/nonexistent");
    const failure = await failureOf(run(to, "a\0b"));
    expect(failure).toEqual({ code: Code.InvalidArgument, reason: "FIELD_INVALID", field: "shell.line" });
  });

  test("is refused without the bearer", async () => {
    await using to = await port(agent.path, "wrong");
    expect(await failureOf(run(to, "true"))).toMatchObject({
      code: Code.Unauthenticated,
      reason: "CREDENTIAL_INVALID",
    });
  });

  test("is refused for a body over the limit", async () => {
    await using to = await port();
    const env = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`E${index}`, "x".repeat(100_000)]));
    const call = async () => {
      const request = { command: { case: "shell" as const, value: { line: "true" } }, env };
      for await (const _event of to.processes.exec(request, { headers: to.headers }));
    };
    expect(await failureOf(call())).toMatchObject({ code: Code.ResourceExhausted, reason: "BODY_TOO_LARGE" });
  });

  test("ends with the agent's refusal", async () => {
    await using to = await port();
    const call = async () => {
      for await (const _part of to.files.readFile({ path: "/nonexistent" }, { headers: to.headers }));
    };
    expect(await failureOf(call())).toMatchObject({ code: Code.NotFound, reason: "FILE_NOT_FOUND" });
  });

  test("ends with the time its client gave", async () => {
    await using to = await port();
    expect((await failureOf(run(to, "sleep 5", { timeoutMs: 200 }))).code).toBe(Code.DeadlineExceeded);
  });

  test("lets go of the agent when its client goes away", async () => {
    await using to = await port();
    const before = agent.front.connections.open;
    const controller = new AbortController();
    const call = failureOf(run(to, "sleep 3", { signal: controller.signal }));
    await expect.poll(() => agent.front.connections.open).toBe(before + 1);
    controller.abort();
    expect((await call).code).toBe(Code.Canceled);
    await expect.poll(() => agent.front.connections.open).toBe(before);
  });

  test("is held back by a client that does not read", async () => {
    await using to = await port();
    const request = { command: { case: "shell" as const, value: { line: "head -c 200000000 /dev/zero" } } };
    const controller = new AbortController();
    const stream = to.processes.exec(request, { headers: to.headers, signal: controller.signal });
    const events = stream[Symbol.asyncIterator]();
    await events.next();
    const before = process.memoryUsage().rss;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    controller.abort();
    await events.next().catch(() => undefined);
  });
});
