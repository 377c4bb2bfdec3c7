/** The same calls through the control plane and straight at the host, and who may make them. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DataPlaneClients, type Path, paths, type ReachedSandbox, reachedSandbox } from "./testing/both-paths.ts";

const patience = { timeout: 20_000 };

let sandbox: ReachedSandbox;

beforeAll(async () => {
  sandbox = await reachedSandbox();
});
afterAll(() => sandbox[Symbol.asyncDispose]());

async function run({ processes }: DataPlaneClients, line: string, processId = "") {
  let text = "";
  for await (const { event } of processes.exec({ command: { case: "shell", value: { line } }, processId })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
    if (event.case === "exited") return { text, exitCode: event.value.exitCode };
  }
  throw new Error("the stream ended without `exited`");
}

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => expect.fail("the call should have failed"),
    (reason: unknown) => ConnectError.from(reason),
  );
  const info = error.findDetails(ErrorInfoSchema)[0];
  return { code: error.code, reason: info?.reason, said: error.rawMessage, next: info?.nextStep };
}

describe.each(paths)("by the %s", (path) => {
  test("a program runs, its output and exit code come back", async () => {
    expect(await run(sandbox.by(path), "echo out; echo err >&2; hostname; exit 5")).toEqual({
      text: `out\nerr\n${sandbox.id}\n`,
      exitCode: 5,
    });
  });

  test("a process takes input, is listed, signalled and attached to", async () => {
    const { processes } = sandbox.by(path);
    const processId = `cat-${paths.indexOf(path)}`;
    const selector = { selector: { case: "processId" as const, value: processId } };
    const command = { case: "argv" as const, value: { args: ["sh", "-c", "read line; echo got $line; sleep 60"] } };
    const events = processes.exec({ command, processId, stdin: true })[Symbol.asyncIterator]();
    expect((await events.next()).value?.event.case).toBe("started");
    await processes.sendInput({ process: selector, offset: 0n, data: Buffer.from("hello\n") });
    const output = (await events.next()).value?.event;
    expect(output?.case === "output" && Buffer.from(output.value.data).toString()).toBe("got hello\n");
    expect((await processes.listProcesses({})).processes.map((one) => one.processId)).toContain(processId);
    await processes.signalProcess({ process: selector, signal: 9 });
    const attached: (string | undefined)[] = [];
    for await (const { event } of processes.attachProcess({ process: selector })) attached.push(event.case);
    expect(attached).toEqual(["started", "output", "exited"]);
  });

  test("a file is written, read and described, and what is wrong with it is told", async () => {
    const { files } = sandbox.by(path);
    const file = `~/both ${path}/é.bin`;
    const data = Buffer.alloc(1_000_000, "0123456789");
    await files.writeFile({ path: file, data });
    const pieces: Uint8Array[] = [];
    for await (const { part } of files.readFile({ path: file })) if (part.case === "data") pieces.push(part.value);
    expect(Buffer.concat(pieces).equals(data)).toBe(true);
    expect((await files.statFile({ path: file })).info).toMatchObject({ name: "é.bin", size: BigInt(data.length) });
    expect(await failureOf(files.statFile({ path: "/nope" }))).toMatchObject({ reason: ErrorReason.FILE_NOT_FOUND });
    expect(await failureOf(files.statFile({ path: "" }))).toMatchObject({ reason: ErrorReason.FIELD_INVALID });
    const tooLong = files.writeFile({ path: file, data: new Uint8Array(3 * 1024 * 1024) });
    expect(await failureOf(tooLong)).toMatchObject({
      code: Code.ResourceExhausted,
      reason: ErrorReason.BODY_TOO_LARGE,
    });
  });

  test("a wrong token, no token and a sandbox that is not there are refused alike", async () => {
    const refusal = (headers: Record<string, string>) =>
      failureOf(sandbox.by(path, headers).processes.listProcesses({}));
    const wrong = await refusal({ authorization: "Bearer dnah_sbx_wrong" });
    expect(wrong).toMatchObject({ code: Code.Unauthenticated, reason: ErrorReason.CREDENTIAL_INVALID });
    expect(await refusal({ "sandbox-id": "nosuch" })).toEqual(wrong);
    expect(await refusal({ authorization: "" })).toMatchObject({ reason: ErrorReason.CREDENTIAL_MISSING });
    expect(await refusal({ "sandbox-id": "NO" })).toMatchObject({ reason: ErrorReason.FIELD_INVALID });
  });
});

test("an API key is good for the control plane alone", async () => {
  const authorization = `Bearer ${sandbox.apiKey}`;
  const list = (path: Path) => sandbox.by(path, { authorization }).processes.listProcesses({});
  await list("control plane");
  expect(await failureOf(list("direct path"))).toMatchObject({ reason: ErrorReason.CREDENTIAL_INVALID });
});

test("both are fed by one sandbox: a process started by one way is attached to by the other", async () => {
  const by = { there: sandbox.by("control plane"), here: sandbox.by("direct path") };
  const started = run(by.there, "echo one; sleep 0.5; echo two", "shared");
  let text = "";
  await expect
    .poll(async () => (await by.here.processes.listProcesses({})).processes.length, patience)
    .toBeGreaterThan(0);
  const selector = { selector: { case: "processId" as const, value: "shared" } };
  for await (const { event } of by.here.processes.attachProcess({ process: selector })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
  }
  expect(text).toBe("one\ntwo\n");
  expect(await started).toEqual({ text: "one\ntwo\n", exitCode: 0 });
});

// The last one: it ends the token that the others use.
test("a rotated token is dead by both ways, and so are its calls; those by an API key go on", async () => {
  const running = paths.map((path) => failureOf(run(sandbox.by(path), "sleep 60")));
  const owner = sandbox.by("control plane", { authorization: `Bearer ${sandbox.apiKey}` });
  const count = async () => (await owner.processes.listProcesses({})).processes.length;
  await expect.poll(count, patience).toBe(paths.length);
  const byKey = run(owner, "sleep 3; echo still here");
  await expect.poll(count, patience).toBe(paths.length + 1);

  const { accessToken } = await sandbox.api.sandboxes.rotateAccessToken({ sandboxId: sandbox.id });
  for (const path of paths) {
    const old = failureOf(sandbox.by(path).processes.listProcesses({}));
    expect(await old).toMatchObject({ reason: ErrorReason.CREDENTIAL_INVALID });
    expect(await run(sandbox.by(path, { authorization: `Bearer ${accessToken}` }), "echo new")).toMatchObject({
      text: "new\n",
    });
  }
  for (const failure of await Promise.all(running)) {
    expect(failure).toMatchObject({ code: Code.Unauthenticated, reason: ErrorReason.CREDENTIAL_INVALID });
  }
  expect(await byKey).toEqual({ text: "still here\n", exitCode: 0 });
});
