import { Code } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { Client, ConflictError, Sandbox, UnavailableError } from "../index.ts";
import { type FakeWithClient, fakeWithClient } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { fakeError } from "../testing/fake-error.ts";

/** A platform whose hosts have an edge, a client that finds it, and a sandbox. The look at the edge is over. */
async function withEdge() {
  const fake = await fakeWithClient();
  fake.platform.directUrl = fake.edge.url;
  const sandbox = await Sandbox.create({ client: fake.client });
  await fake.client.connection.directWays.awaited(fake.edge.url);
  return { ...fake, sandbox, [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose]() };
}

function waysOf({ platform }: Pick<FakeWithClient, "platform">, method: string): string {
  return platform.calls
    .filter((call) => call.method === method)
    .map(({ isDirect }) => (isDirect ? "direct" : "control plane"))
    .join(", ");
}

test("calls go to the host's edge with the sandbox's token once it has answered", async () => {
  await using fake = await withEdge();
  await fake.sandbox.exec("echo hi");
  await fake.sandbox.files.exists("x");
  expect([waysOf(fake, "Exec"), waysOf(fake, "StatFile")]).toEqual(["direct", "direct"]);
  const token = fake.sandbox.accessToken;
  expect(fake.platform.calls.filter(({ isDirect }) => isDirect).every(({ credential }) => credential === token)).toBe(
    true,
  );
});

test("an edge that can't be reached is passed by without a wait", async () => {
  await using fake = await withEdge();
  fake.platform.directUrl = "http://192.0.2.1:9"; // an address that is nobody's
  const sandbox = await Sandbox.create({ client: fake.client });
  const started = performance.now();
  await sandbox.exec("echo hi");
  expect(performance.now() - started).toBeLessThan(900);
  expect(waysOf(fake, "Exec")).toBe("control plane");
});

test("a server that only looks like an edge gets no call", async () => {
  await using fake = await withEdge();
  const { createServer } = await import("node:http");
  const stranger = createServer((_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  fake.platform.directUrl = `http://127.0.0.1:${(stranger.address() as { port: number }).port}`;
  const sandbox = await Sandbox.create({ client: fake.client });
  expect(await fake.client.connection.directWays.awaited(fake.platform.directUrl)).toBeUndefined();
  await sandbox.exec("echo hi");
  expect(waysOf(fake, "Exec")).toBe("control plane");
  stranger.close();
});

test("an edge on the platform's own loopback is none of another machine's", async () => {
  await using fake = await withEdge();
  const { id, accessToken, directUrl } = fake.sandbox;
  const elsewhere = new Client({ url: "http://platform.test:3000", direct: "always" });
  const sandbox = await Sandbox.connect(id, { client: elsewhere, accessToken, directUrl });
  expect(await failureOf(sandbox.files.exists("x"))).toBeInstanceOf(ConflictError);
});

test("a stream that is silent for a minute is broken off and gone on with; one whose reader takes his time is not", async () => {
  await using fake = await withEdge();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  try {
    const process = fake.sandbox.exec("sleep");
    const output = process[Symbol.asyncIterator]();
    await output.next();
    vi.advanceTimersByTime(120_000);
    const more = output.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(fake.platform.count("AttachProcess")).toBe(0);
    vi.advanceTimersByTime(120_000);
    await vi.waitFor(() => expect(fake.platform.count("AttachProcess")).toBe(1));
    await process.kill();
    await more;
    expect(await process).toMatchObject({ signal: "SIGTERM" });
  } finally {
    vi.useRealTimers();
  }
});

test("where the edge goes away, calls and streams go on through the control plane at once", async () => {
  await using fake = await withEdge();
  const process = fake.sandbox.exec("sleep");
  const output = process[Symbol.asyncIterator]();
  await output.next();
  await fake.edge.close();
  expect(await fake.sandbox.files.exists("x")).toBe(false);
  await process.kill("SIGINT");
  for (let next = await output.next(); !next.done; ) next = await output.next();
  expect(await process).toMatchObject({ signal: "SIGINT" });
  expect(waysOf(fake, "AttachProcess")).toBe("control plane");
  expect(waysOf(fake, "StatFile")).toBe("control plane");
});

test("a call that is not to be repeated is, where its connection was refused", async () => {
  await using fake = await withEdge();
  const { client, sandbox } = fake;
  const key = new Client({ url: client.url, apiKey: fake.platform.apiKey });
  const { id } = await (await Sandbox.connect(sandbox.id, { client: key })).start("sleep");
  await fake.edge.close();
  await sandbox.signal(id);
  expect(waysOf(fake, "SignalProcess")).toBe("control plane");
});

test("a call whose answer is lost on the way from the edge is made again where that is safe", async () => {
  await using fake = await withEdge();
  fake.platform.faults.next("WriteFile", { t: "cut" });
  await fake.sandbox.files.write("f", "x");
  expect(waysOf(fake, "WriteFile")).toBe("direct, control plane");
});

test("a sandbox that the host knows no longer is reached through the control plane", async () => {
  await using fake = await withEdge();
  const gone = fakeError(Code.Unauthenticated, "CREDENTIAL_INVALID", "This access token is not one of this sandbox.");
  fake.platform.faults.next("SignalProcess", { t: "error", error: gone });
  const { id } = await fake.sandbox.start("sleep");
  await fake.sandbox.signal(id);
  expect(waysOf(fake, "SignalProcess")).toBe("control plane"); // the first one failed before it was counted
  await (await Sandbox.create({ client: fake.client })).files.exists("x");
  expect(waysOf(fake, "StatFile")).toBe("direct"); // another sandbox's way is none the worse
});

test("a sandbox that was moved while it was asked for is found again; what may have begun there is not made again", async () => {
  await using fake = await withEdge();
  const moved = () =>
    ({ t: "error", error: fakeError(Code.Aborted, "SANDBOX_STATE_CONFLICT", "The sandbox is at epoch 3.") }) as const;
  fake.platform.faults.next("StatFile", moved());
  await fake.sandbox.files.exists("x");
  expect([waysOf(fake, "StatFile"), fake.sandbox.directUrl]).toEqual(["control plane", undefined]);
  await fake.sandbox.info(); // tells where it is now
  fake.platform.faults.next("SignalProcess", moved());
  const { id } = await fake.sandbox.start("sleep");
  expect(await failureOf(fake.sandbox.signal(id))).toBeInstanceOf(ConflictError);
  expect(fake.sandbox.directUrl).toBe(undefined);
  await fake.sandbox.info();
  await fake.sandbox.files.exists("x");
  expect(waysOf(fake, "StatFile")).toBe("control plane, direct");
});

test("a sandbox that its host has as paused is asked for through the control plane, which knows whether it has moved", async () => {
  await using fake = await withEdge();
  const { id } = await fake.sandbox.start("sleep");
  const error = fakeError(Code.FailedPrecondition, "SANDBOX_PAUSED", "The sandbox is paused.");
  fake.platform.faults.next("SignalProcess", { t: "error", error });
  await fake.sandbox.signal(id);
  expect([waysOf(fake, "SignalProcess"), fake.sandbox.directUrl]).toEqual(["control plane", undefined]);
});

test("a call or stream that its host ends because the sandbox leaves goes on by the other way at once", async () => {
  await using fake = await withEdge();
  const leaving = () => {
    const facts = { metadata: { state: "moved" }, retryDelayMs: 60_000 };
    return { t: "error", error: fakeError(Code.Unavailable, "HOST_UNAVAILABLE", "It was moved.", facts) } as const;
  };
  fake.platform.faults.next("StatFile", leaving());
  await fake.sandbox.files.exists("x");
  expect([waysOf(fake, "StatFile"), fake.sandbox.directUrl]).toEqual(["control plane", undefined]);
  await fake.sandbox.info();
  fake.platform.faults.next("Exec", leaving());
  expect((await fake.sandbox.exec("echo here")).stdout).toBe("here\n");
});

test("errors of the sandbox itself stay what they are", async () => {
  await using fake = await withEdge();
  expect(await failureOf(fake.sandbox.files.read("nope"))).toMatchObject({ reason: "FILE_NOT_FOUND" });
  expect(waysOf(fake, "GET files")).toBe("direct");
});

test("never and always are kept to", async () => {
  await using fake = await withEdge();
  const { url, apiKey } = { url: fake.client.url, apiKey: fake.platform.apiKey };
  const { id, accessToken, directUrl } = fake.sandbox;
  const never = new Client({ url, apiKey, direct: "never" });
  await (await Sandbox.connect(id, { client: never, accessToken, directUrl })).exec("echo hi");
  expect(waysOf(fake, "Exec")).toBe("control plane");
  const always = new Client({ url, direct: "always", retryDelayMs: 1 });
  const direct = await Sandbox.connect(id, { client: always, accessToken, directUrl });
  await direct.exec("echo hi");
  expect(waysOf(fake, "Exec")).toBe("control plane, direct");
  const blind = await Sandbox.connect(id, { client: always, accessToken });
  expect(await failureOf(blind.exec("echo hi"))).toBeInstanceOf(ConflictError);
  await fake.edge.close();
  expect(await failureOf(direct.files.exists("x"))).toBeInstanceOf(UnavailableError);
});

test("a new access token is used from then on, also by streams that the change broke off", async () => {
  await using fake = await withEdge();
  const process = fake.sandbox.exec("sleep");
  const output = process[Symbol.asyncIterator]();
  await output.next();
  const old = fake.sandbox.accessToken;
  const next = await fake.sandbox.rotateAccessToken();
  expect(fake.sandbox.accessToken).toBe(next);
  expect(next).not.toBe(old);
  await fake.sandbox.files.exists("x");
  expect(fake.platform.calls.at(-1)).toMatchObject({ credential: next, isDirect: true });
  const ended = fakeError(Code.Unauthenticated, "CREDENTIAL_INVALID", "The token was replaced.");
  const again = fake.sandbox.attach(process.id);
  fake.platform.faults.next("AttachProcess", { t: "error", error: ended });
  const rotated = fake.sandbox.rotateAccessToken();
  await process.kill();
  await rotated;
  expect(await again).toMatchObject({ signal: "SIGTERM" });
});
