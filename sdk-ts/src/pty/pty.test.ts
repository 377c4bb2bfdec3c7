import { describe, expect, test } from "vitest";
import { NotFoundError, type Pty } from "../index.ts";
import { ways } from "../testing/client-of.ts";
import { failureOf } from "../testing/failure-of.ts";
import { unavailable } from "../testing/fake-error.ts";
import { withSandbox } from "../testing/with-sandbox.ts";

/** Reads until the text is there; the terminal is let go of then. */
async function readUntil(pty: Pty, wanted: string): Promise<string> {
  let seen = "";
  for await (const bytes of pty) {
    seen += Buffer.from(bytes).toString();
    if (seen.includes(wanted)) return seen;
  }
  return expect.fail(`the terminal ended after ${JSON.stringify(seen)}`);
}

async function readAll(pty: Pty): Promise<string> {
  return Buffer.concat(await Array.fromAsync(pty)).toString();
}

describe.each(ways)("$name", (way) => {
  test("a terminal shows what is typed, learns its size and ends with a code", async () => {
    await using fake = await withSandbox(way);
    const pty = await fake.sandbox.pty({ columns: 100, rows: 30 });
    expect(pty.pid).toBe(100);
    await pty.write("hi\n");
    await pty.resize({ columns: 120, rows: 40 });
    await pty.write("exit 3\n");
    expect(await readAll(pty)).toBe("xterm-256color $ hi\nresized 120x40\nexit 3\n");
    expect(await pty.exited).toMatchObject({ exitCode: 3, signal: undefined });
  });

  test("a terminal whose connection breaks goes on by offset: nothing is lost or doubled", async () => {
    await using fake = await withSandbox(way);
    fake.platform.faults.next("Exec", { t: "cutAfter", events: 3 });
    fake.platform.faults.next("AttachProcess", { t: "error", error: unavailable() }, { t: "cutAfter", events: 3 });
    fake.platform.faults.next("SendInput", { t: "cut" });
    const pty = await fake.sandbox.pty({ command: ["[", "]"] });
    await pty.write("one\n");
    await pty.write("exit 0\n");
    expect(await readAll(pty)).toBe("xterm-256color $ one\nexit 0\n");
    expect(pty.lostBytes).toBe(0);
  });
});

test("the end is seen where nobody reads", async () => {
  await using fake = await withSandbox();
  const pty = await fake.sandbox.pty({ env: { TERM: "dumb" } });
  await pty.write("exit 0\n");
  expect(await pty.exited).toMatchObject({ exitCode: 0 });
  expect(await readAll(pty)).toBe("dumb $ exit 0\n");
});

test("a terminal that was let go of runs on, and is read on from where reading stopped", async () => {
  await using fake = await withSandbox();
  const pty = await fake.sandbox.pty({ tag: "shell" });
  await pty.write("before\n");
  expect(await readUntil(pty, "before\n")).toBe("xterm-256color $ before\n");
  await pty.write("between\n");
  const again = await fake.sandbox.attachPty({ tag: "shell" }, { fromOffset: pty.offset });
  expect(again.id).toBe(pty.id);
  expect(await readUntil(again, "between\n")).toBe("between\n");
  const fromNow = await fake.sandbox.attachPty(pty.id, { fromEnd: true });
  await fromNow.write("exit 7\n");
  expect(await readAll(fromNow)).toBe("exit 7\n");
  expect(await readAll(pty)).toBe("between\nexit 7\n");
  expect(await pty.exited).toMatchObject({ exitCode: 7 });
  expect(await again.exited).toMatchObject({ exitCode: 7 });
});

test("several see the same terminal", async () => {
  await using fake = await withSandbox();
  const first = await fake.sandbox.pty();
  const second = await fake.sandbox.attachPty(first.id);
  await first.write("from one\n");
  await second.write("exit 0\n");
  expect(await readAll(first)).toBe(await readAll(second));
});

test("detaching ends a loop that waits; two readers at once are refused", async () => {
  await using fake = await withSandbox();
  const pty = await fake.sandbox.pty();
  const loop = readAll(pty);
  await expect(readAll(pty)).rejects.toThrow("being read already");
  await pty.write("x");
  pty.detach();
  expect(await loop).not.toContain("exit");
  await pty.kill("SIGKILL");
  await readAll(pty);
  expect(await pty.exited).toMatchObject({ signal: "SIGKILL" });
});

test("aborting hangs the terminal up and throws the reason", async () => {
  await using fake = await withSandbox();
  const controller = new AbortController();
  const pty = await fake.sandbox.pty({ signal: controller.signal, processId: "victim" });
  controller.abort(new Error("enough"));
  expect(await failureOf(pty.exited)).toMatchObject({ message: "enough" });
  expect(await failureOf(readAll(pty))).toMatchObject({ message: "enough" });
  expect(await fake.sandbox.attach("victim")).toMatchObject({ signal: "SIGHUP" });
});

test("what is unread is bounded", async () => {
  await using fake = await withSandbox();
  const pty = await fake.sandbox.pty({ command: ["flood", "40", "100000"] });
  await fake.sandbox.attach(pty.id); // all 4 MB are written
  let size = 0;
  for await (const bytes of pty) size += bytes.length;
  expect(size).toBe(4_000_000);
  expect(await pty.exited).toMatchObject({ exitCode: 0 });
});

test("a program that is not there, and a terminal that is not there, are errors at once", async () => {
  await using fake = await withSandbox();
  expect(await failureOf(fake.sandbox.pty({ command: ["nope"] }))).toMatchObject({ reason: "COMMAND_NOT_FOUND" });
  expect(await failureOf(fake.sandbox.attachPty("nope"))).toBeInstanceOf(NotFoundError);
});
