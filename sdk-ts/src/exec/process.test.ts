import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { CommandFailedError, InvalidArgumentError, NotFoundError, UnavailableError } from "../index.ts";
import { ways } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { fakeError, unavailable } from "../testing/fake-error.ts";
import { withSandbox } from "../testing/with-sandbox.ts";

const letters = (count: number) =>
  Array.from({ length: count }, (_, at) => String.fromCharCode(97 + (at % 26))).join("");

describe.each(ways)("$name", (way) => {
  test("awaiting gives the exit code and both streams", async () => {
    await using fake = await withSandbox(way);
    expect(await fake.sandbox.exec(["echo", "a  b"])).toMatchObject({ exitCode: 0, stdout: "a  b\n", stderr: "" });
    expect(await fake.sandbox.exec("oops no")).toMatchObject({ exitCode: 1, stderr: "no\n", truncated: false });
    expect((await fake.sandbox.exec("echo x")).stdoutBytes).toEqual(new TextEncoder().encode("x\n"));
  });

  test("iterating gives output in order, then awaiting gives the end", async () => {
    await using fake = await withSandbox(way);
    const process = fake.sandbox.exec("flood 5 10");
    const offsets: number[] = [];
    let text = "";
    for await (const event of process) {
      offsets.push(event.offset);
      text += event.text;
    }
    expect(text).toBe(letters(50));
    expect(offsets).toEqual([0, 10, 20, 30, 40]);
    expect(await process).toMatchObject({ exitCode: 0, stdout: letters(50) });
    expect(await process.pid).toBe(100);
  });

  test("a stream that breaks again and again is continued by offset: nothing is lost or doubled", async () => {
    await using fake = await withSandbox(way);
    fake.platform.faults.next("Exec", { t: "cutAfter", events: 5 });
    fake.platform.faults.next(
      "AttachProcess",
      { t: "cutAfter", events: 4 },
      { t: "error", error: unavailable() },
      { t: "cutAfter", events: 12 },
    );
    const { stdout, exitCode, lostBytes } = await fake.sandbox.exec("flood 40 1000");
    expect([stdout === letters(40_000), exitCode, lostBytes]).toEqual([true, 0, 0]);
    expect(fake.platform.count("Exec")).toBe(1);
  });

  test("a start whose stream broke at once starts one process", async () => {
    await using fake = await withSandbox(way);
    fake.platform.faults.next("Exec", { t: "cut" }, { t: "error", error: unavailable() }, { t: "cutAfter", events: 1 });
    expect((await fake.sandbox.exec("echo once")).stdout).toBe("once\n");
    expect(fake.platform.sandbox(fake.sandbox.id).processes.size).toBe(1);
  });

  test("a stream that never comes back ends with an UnavailableError", async () => {
    await using fake = await withSandbox(way);
    fake.platform.faults.next("Exec", { t: "cutAfter", events: 2 });
    const fault = { t: "error", error: unavailable() } as const;
    fake.platform.faults.next("AttachProcess", fault, fault, fault, fault, fault, fault);
    const process = fake.sandbox.exec("sleep");
    expect(await failureOf(process)).toBeInstanceOf(UnavailableError);
    expect(await failureOf(process)).toMatchObject({ reason: "HOST_UNAVAILABLE" });
  });

  test("standard input is fed and closed, also when answers are lost", async () => {
    await using fake = await withSandbox(way);
    fake.platform.faults.next("SendInput", { t: "cut" }, { t: "cut" });
    const input = letters(2_500_000);
    const { stdout } = await fake.sandbox.exec(["cat"], { stdin: input });
    expect(stdout === input).toBe(true);
  });

  test("aborting kills the program and throws the reason", async () => {
    await using fake = await withSandbox(way);
    const controller = new AbortController();
    const process = fake.sandbox.exec(["sleep"], { signal: controller.signal, processId: "victim" });
    const failure = failureOf(process);
    await process.pid;
    controller.abort(new Error("enough"));
    expect(await failure).toMatchObject({ message: "enough" });
    const result = await fake.sandbox.attach("victim");
    expect(result).toMatchObject({ signal: "SIGKILL", exitCode: 137 });
  });
});

test("input can be written as one goes", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("cat", { stdin: true });
  const output = process[Symbol.asyncIterator]();
  await process.stdin.write("one");
  expect((await output.next()).value).toMatchObject({ text: "one", offset: 0 });
  await process.stdin.end("two");
  expect((await output.next()).value).toMatchObject({ text: "two", offset: 3 });
  expect((await output.next()).done).toBe(true);
  expect(await failureOf(process.stdin.write("three"))).toMatchObject({ reason: "INPUT_CLOSED" });
});

test("whoever attaches goes on writing where others stopped", async () => {
  await using fake = await withSandbox();
  const first = fake.sandbox.exec("cat", { stdin: true, processId: "shared" });
  await first.stdin.write("abc");
  const second = fake.sandbox.attach("shared");
  await second.stdin.end("def");
  expect((await second).stdout).toBe("abcdef");
});

test("a program that reads no input is no failure", async () => {
  await using fake = await withSandbox();
  expect(await fake.sandbox.exec("echo hi", { stdin: letters(3_000_000) })).toMatchObject({ exitCode: 0 });
});

test("a source of input that fails ends the reading with its error", async () => {
  await using fake = await withSandbox();
  // biome-ignore lint/correctness/useYield: it exists to fail.
  const source = (async function* (): AsyncGenerator<string> {
    throw new Error("source broke");
  })();
  expect(await failureOf(fake.sandbox.exec("cat", { stdin: source }))).toMatchObject({ message: "source broke" });
});

test("characters that are cut between chunks come whole, each in its own stream", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("euro");
  const texts = { stdout: "", stderr: "", pty: "" };
  for await (const { stream, text } of process) texts[stream] += text;
  expect(texts).toEqual({ stdout: "€", stderr: "€", pty: "" });
});

test("what is kept for the awaited result is bounded, and it says so", async () => {
  await using fake = await withSandbox();
  const result = await fake.sandbox.exec("flood 20 1000", { maxOutputBytes: 1500 });
  expect(result).toMatchObject({ exitCode: 0, truncated: true, stdout: letters(1500) });
});

test("an exit code is an error only where asked", async () => {
  await using fake = await withSandbox();
  expect((await fake.sandbox.exec("exit 3")).exitCode).toBe(3);
  const error = await failureOf(fake.sandbox.exec("oops bad thing").orThrow());
  expect(error).toBeInstanceOf(CommandFailedError);
  expect(error).toMatchObject({ exitCode: 1, message: "The command ended with exit code 1: bad thing" });
  expect(await failureOf(fake.sandbox.exec("exit 3", { check: true }))).toBeInstanceOf(CommandFailedError);
  expect(await fake.sandbox.exec("exit 0", { check: true })).toMatchObject({ exitCode: 0 });
});

test("a signal and a timeout are told apart", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("sleep");
  await process.kill("SIGINT");
  expect(await process).toMatchObject({ exitCode: 130, signal: "SIGINT", timedOut: false });
  expect(await failureOf(process.kill())).toBeInstanceOf(NotFoundError);
  expect(await fake.sandbox.exec("sleep", { timeoutMs: 20 })).toMatchObject({ timedOut: true, exitCode: 143 });
});

test("options reach the program", async () => {
  await using fake = await withSandbox();
  expect((await fake.sandbox.exec("where", { cwd: "/tmp", user: "root" })).stdout).toBe("root:/tmp\n");
  expect((await fake.sandbox.exec("env", { env: { A: "1" } })).stdout).toBe("A=1\n");
});

test("a program that is not there is an InvalidArgumentError, also for whoever asks for the pid", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec(["nope"]);
  expect(await failureOf(process.pid)).toMatchObject({ reason: "COMMAND_NOT_FOUND" });
  expect(await failureOf(process)).toBeInstanceOf(InvalidArgumentError);
});

test("leaving the loop lets the program run on; reading goes on where it was left", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("flood 30 100");
  let text = "";
  for await (const event of process) {
    text += event.text;
    if (text.length >= 300) break;
  }
  for await (const event of process) text += event.text;
  expect(text).toBe(letters(3000));
  expect((await process).stdout).toBe(letters(3000));
});

test("two readers at once are refused", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("sleep");
  const first = process[Symbol.asyncIterator]();
  await first.next();
  await expect(process[Symbol.asyncIterator]().next()).rejects.toThrow("being read already");
  await process.kill();
  await first.return();
});

test("output that the platform forgot is counted", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("flood 10 10", { processId: "old" });
  await process;
  const kept = fake.platform.sandbox(fake.sandbox.id).processes.get("old");
  if (kept) kept.replayFrom = 60;
  expect(await fake.sandbox.attach("old")).toMatchObject({
    lostBytes: 60,
    truncated: true,
    stdout: letters(100).slice(60),
  });
  expect(await fake.sandbox.attach("old", { fromOffset: 70 })).toMatchObject({
    lostBytes: 0,
    stdout: letters(100).slice(70),
  });
  expect(await fake.sandbox.attach("old", { fromEnd: true })).toMatchObject({ stdout: "", exitCode: 0 });
});

test("output that was not read in time is asked for again", async () => {
  await using fake = await withSandbox();
  const lost = fakeError(Code.ResourceExhausted, "OUTPUT_LOST", "Output was not read in time.");
  fake.platform.faults.next("AttachProcess", { t: "error", error: lost });
  fake.platform.faults.next("Exec", { t: "cutAfter", events: 4 });
  expect((await fake.sandbox.exec("flood 5 10")).stdout).toBe(letters(50));
});

test("a dead VM is a SandboxDiedError at once", async () => {
  await using fake = await withSandbox();
  const died = fakeError(Code.Aborted, "VM_DIED", "The VM's process ended.");
  fake.platform.faults.next("Exec", { t: "error", error: died });
  expect(await failureOf(fake.sandbox.exec("echo"))).toMatchObject({ name: "SandboxDiedError", reason: "VM_DIED" });
});

test("the processes are listed", async () => {
  await using fake = await withSandbox();
  await fake.sandbox.exec("echo a", { tag: "t" });
  expect(await fake.sandbox.processes()).toEqual([]);
  expect(await fake.sandbox.processes({ includeExited: true })).toMatchObject([
    { args: ["echo", "a"], tag: "t", exited: { exitCode: 0 }, endOffset: 2 },
  ]);
});

test("a program that was started on its own is attached to, signalled and found by id, pid and tag", async () => {
  await using fake = await withSandbox();
  const { sandbox, platform } = fake;
  platform.faults.next("Exec", { t: "cut" });
  const { id, pid } = await sandbox.start("sleep", { tag: "web", processId: "server" });
  expect([id, pid]).toEqual(["server", 100]);
  expect(await sandbox.start("sleep", { processId: "server" })).toEqual({ id, pid, existed: true });
  for (const ref of [id, { pid }, { tag: "web" }]) {
    const process = sandbox.attach(ref);
    expect(await process.pid).toBe(pid);
    expect(process.id).toBe(id);
    for await (const { text } of process) {
      expect(text).toBe("sleeping\n");
      break;
    }
  }
  expect(() => sandbox.attach({ pid }).id).toThrow("await its pid");
  await sandbox.signal({ tag: "web" }, "SIGINT");
  expect(await sandbox.attach(id)).toMatchObject({ signal: "SIGINT" });
  expect(await failureOf(sandbox.signal(id))).toMatchObject({ reason: "PROCESS_NOT_FOUND" });
});

test("what is written while a call is under way goes together in the next one", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec("cat", { stdin: true });
  await process.pid;
  const typed = "the quick brown fox".split("").map((letter) => process.stdin.write(letter));
  const end = process.stdin.end();
  expect(await failureOf(process.stdin.write("too late"))).toMatchObject({ reason: "INPUT_CLOSED" });
  await Promise.all([...typed, end]);
  expect((await process).stdout).toBe("the quick brown fox");
  expect(fake.platform.count("SendInput")).toBeLessThan(6);
});

test("a program on a terminal writes all to one stream, and is told its window's size", async () => {
  await using fake = await withSandbox();
  const process = fake.sandbox.exec(["[", "$SHELL", "]"], { pty: { columns: 80, rows: 24 }, stdin: true });
  await process.resize({ columns: 100, rows: 30 });
  await process.stdin.write("exit 0\n");
  expect(await fake.sandbox.processes({ includeExited: true })).toMatchObject([{ pty: { columns: 100, rows: 30 } }]);
  for await (const { stream } of process) expect(stream).toBe("pty");
  expect((await process).stdout).toContain("resized 100x30");
});

test("the environment is read and changed", async () => {
  await using fake = await withSandbox();
  const { sandbox } = fake;
  expect(await sandbox.setEnvironment({ set: { A: "1", B: "2" } })).toEqual({ A: "1", B: "2" });
  expect(await sandbox.setEnvironment({ unset: ["A"], set: { C: "3" } })).toEqual({ B: "2", C: "3" });
  expect(await sandbox.environment()).toEqual({ B: "2", C: "3" });
  expect((await sandbox.exec("env")).stdout).toBe("B=2\nC=3\n");
  expect(await sandbox.setEnvironment({ replace: true })).toEqual({});
});
