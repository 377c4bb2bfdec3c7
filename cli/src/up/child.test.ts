import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Child, type ChildSpec, startChild } from "./child.ts";

const started: Child[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) await child.stop(1000);
});

/** A program that writes its pid to a file, says it is ready, and then does as told. */
function program(then: string): { spec: ChildSpec; pids: () => number[] } {
  const folder = mkdtempSync(join(tmpdir(), "dnah-child-"));
  const file = join(folder, "pids");
  const script = join(folder, "program.mjs");
  writeFileSync(file, "");
  const source = `import { appendFileSync } from "node:fs";
    appendFileSync(${JSON.stringify(file)}, process.pid + "\\n");
    console.log("noise"); console.log("ready at " + process.pid); ${then}`;
  writeFileSync(script, source);
  return {
    spec: { name: "program", script: [script], env: {}, readyPrefix: "ready ", readyMs: 10_000 },
    pids: () => readFileSync(file, "utf8").trim().split("\n").map(Number),
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test("a child is ready with what its line says, and ends when told to", async () => {
  const { spec, pids } = program("setInterval(() => {}, 1000)");
  const child = await startChild(spec, () => undefined);
  expect(child.ready).toBe(`at ${pids()[0]}`);
  expect(child.pid).toBe(pids()[0]);
  await child.stop(5000);
  expect(() => process.kill(pids()[0] as number, 0)).toThrow(/ESRCH/);
});

test("a child that is killed is started again", async () => {
  const { spec, pids } = program("setInterval(() => {}, 1000)");
  const reports: string[] = [];
  const child = await startChild(spec, (line) => reports.push(line));
  started.push(child);
  process.kill(child.pid as number, "SIGKILL");
  await until(() => reports.includes("program is ready again"));
  expect(pids()).toHaveLength(2);
  expect(reports[0]).toContain("ended with SIGKILL");
});

test("a child that ends before it is ready fails the start", async () => {
  const { spec } = program("");
  await expect(startChild({ ...spec, readyPrefix: "never " }, () => undefined)).rejects.toThrow(
    "program ended with code 0",
  );
});

test("one that is not ready in time is ended", async () => {
  const { spec, pids } = program("setInterval(() => {}, 1000)");
  const late = startChild({ ...spec, readyPrefix: "never ", readyMs: 1500 }, () => undefined);
  await expect(late).rejects.toThrow("was not ready after 1.5 s");
  await until(() => !existsSync(`/proc/${pids()[0]}/exe`));
});

test("one that ignores SIGTERM is ended by force", async () => {
  const { spec, pids } = program("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
  const child = await startChild(spec, () => undefined);
  await child.stop(100);
  expect(() => process.kill(pids()[0] as number, 0)).toThrow(/ESRCH/);
});
