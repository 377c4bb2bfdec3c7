import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import {
  descendantsOf,
  isAlive,
  killAllOfUid,
  killProcess,
  parseStat,
  readProcess,
  waitForExit,
} from "./process-table.ts";

function sleeper() {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, id: readProcess(child.pid as number) as NonNullable<ReturnType<typeof readProcess>> };
}

test("reads a stat line whose program has blanks and parentheses in its name", () => {
  const rest = Array.from({ length: 48 }, (_, n) => (n === 17 ? "12345" : n === 19 ? "25" : String(n))).join(" ");
  expect(parseStat(`42 (a) (b c) S 7 ${rest}\n`)).toEqual({
    pid: 42,
    parentPid: 7,
    name: "a) (b c",
    startTime: "12345",
    residentBytes: 25 * 4096,
  });
});

test.each(["", "garbage", "1 (x", "1 (x) S 1 2"])("%j is no stat line", (text) => {
  expect(parseStat(text)).toBeUndefined();
});

test("a process is alive under its own start time only", () => {
  const { id } = sleeper();
  expect(isAlive(id)).toBe(true);
  expect(isAlive({ ...id, startTime: "1" })).toBe(false);
});

test("kills no process that merely has the same pid", async () => {
  const { id, child } = sleeper();
  expect(killProcess({ ...id, startTime: "1" }, "SIGKILL")).toBe(false);
  expect(isAlive(id)).toBe(true);
  expect(killProcess(id, "SIGKILL")).toBe(true);
  await once(child, "exit");
  expect(killProcess(id, "SIGKILL")).toBe(false);
});

test("sees the end of a process that is no child", async () => {
  const { id } = sleeper();
  const gone = waitForExit(id, { signal: AbortSignal.timeout(5000), intervalMs: 2 });
  killProcess(id, "SIGKILL");
  await gone;
});

test("a wait for an end can be aborted", async () => {
  const { id } = sleeper();
  const reason = new Error("enough");
  await expect(waitForExit(id, { signal: AbortSignal.abort(reason), intervalMs: 1 })).rejects.toBe(reason);
});

test("finds children and their children", async () => {
  const child = spawn("sh", ["-c", "sleep 60 & wait"], { stdio: "ignore" });
  onTestFinished(() => {
    for (const one of descendantsOf(child.pid as number)) {
      killProcess(one, "SIGKILL");
    }
    child.kill("SIGKILL");
  });
  await expect.poll(() => descendantsOf(child.pid as number).map((one) => one.name)).toEqual(["sleep"]);
  expect(descendantsOf(process.pid).map((one) => one.name)).toContain("sleep");
});

test.each([0, 1000, 65_534])("refuses to kill all processes of uid %d", async (uid) => {
  await expect(killAllOfUid(uid, { signal: AbortSignal.timeout(1000) })).rejects.toThrow(/not a VM's/);
});
