/** The client against a real platform with real microVMs. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, NotFoundError, Sandbox } from "./index.ts";

let client: Client;
/** Of all tests but the first. */
let sandbox: Sandbox;

beforeAll(async () => {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = process.env;
  if (!url || !keyFile) {
    throw new Error(
      "DNAH_TEST_URL and DNAH_TEST_API_KEY_FILE are not set: run this by `npm test`, which starts a platform.",
    );
  }
  client = new Client({ url, apiKey: readFileSync(keyFile, "utf8").trim() });
  sandbox = await Sandbox.create({ client });
});

afterAll(async () => {
  await sandbox?.kill();
});

test("a program runs in a sandbox that is gone afterwards", async () => {
  let id: string;
  {
    await using fresh = await Sandbox.create({ client, metadata: { test: "sdk-ts" }, env: { GREETING: "hello" } });
    id = fresh.id;
    expect(fresh.stages.map(({ stage }) => stage)).toContain("agent");
    expect((await fresh.info()).state).toBe("running");
    const { stdout } = await fresh.exec(["python3", "-c", "print(6 * 7)"], { check: true });
    expect(stdout).toBe("42\n");
    expect((await fresh.exec("echo $GREETING")).stdout).toBe("hello\n");
  }
  await expect(Sandbox.connect(id, { client })).rejects.toBeInstanceOf(NotFoundError);
});

test("output comes as it is written, in order, with the exit code", async () => {
  const process = sandbox.exec("for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.2; done; exit 7");
  const pieces: { at: number; text: string }[] = [];
  for await (const { text } of process) pieces.push({ at: performance.now(), text });
  const result = await process;
  expect(result).toMatchObject({ exitCode: 7, stdout: "out 1\nout 2\nout 3\n", stderr: "err 1\nerr 2\nerr 3\n" });
  expect((pieces.at(-1)?.at ?? 0) - (pieces[0]?.at ?? 0)).toBeGreaterThan(200);
});

test("standard input, environment, folder, user, signal and timeout", async () => {
  expect((await sandbox.exec(["sort"], { stdin: "b\na\n" })).stdout).toBe("a\nb\n");
  const where = await sandbox.exec("echo $X; pwd; id -un", { env: { X: "1" }, cwd: "/tmp", user: "root" });
  expect(where.stdout).toBe("1\n/tmp\nroot\n");
  const sleeping = sandbox.exec(["sleep", "600"]);
  await sleeping.kill("SIGKILL");
  expect(await sleeping).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
  expect(await sandbox.exec(["sleep", "600"], { timeoutMs: 300 })).toMatchObject({ timedOut: true });
});

test("a process that was left is attached to again", async () => {
  const process = sandbox.exec("echo before; sleep 1; echo after");
  for await (const _ of process) break;
  expect((await sandbox.attach(process.id)).stdout).toBe("before\nafter\n");
});

test("files of every size go in and out", async () => {
  const { files } = sandbox;
  await files.write("notes/a.txt", "héllo");
  expect(await files.readText("notes/a.txt")).toBe("héllo");
  expect((await sandbox.exec("cat ~/notes/a.txt")).stdout).toBe("héllo");
  const big = new Uint8Array(3_500_000).map((_, at) => (at * 31 + (at >> 8)) & 255);
  expect(await files.write("big.bin", big)).toMatchObject({ size: big.length, type: "file" });
  expect(Buffer.compare(await files.read("big.bin"), big)).toBe(0);
  expect(await files.exists("nope")).toBe(false);
  await expect(files.read("nope")).rejects.toMatchObject({ reason: "FILE_NOT_FOUND" });
});

test("aborting ends the program in the sandbox", async () => {
  const controller = new AbortController();
  const process = sandbox.exec(["sleep", "600"], { signal: controller.signal });
  await process.pid;
  controller.abort();
  await expect(process.orThrow()).rejects.toMatchObject({ name: "AbortError" });
  expect(await sandbox.attach(process.id)).toMatchObject({ signal: "SIGKILL" });
});
