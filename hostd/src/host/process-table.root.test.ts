import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { spawnDaemon } from "./exec.ts";
import { isAlive, killAllOfUid, processesOfUid } from "./process-table.ts";

/** Its own for each test process. */
const uid = 0x7000_0000 + (process.pid % 2 ** 20) * 16;
const options = () => ({ signal: AbortSignal.timeout(10_000) });

async function folder(): Promise<string> {
  const path = await mkdtemp("/tmp/dnah-root-");
  onTestFinished(async () => {
    await killAllOfUid(uid, options());
    await rm(path, { recursive: true });
  });
  return path;
}

test("a daemon of a VM's user has no groups, no capabilities, and no way to gain any", async () => {
  const cwd = await folder();
  const logFile = join(cwd, "log");
  const daemon = await spawnDaemon({
    argv: ["cat", "/proc/self/status"],
    owner: { uid, gid: uid },
    cwd: "/",
    logFile,
  });
  await daemon.exited;
  const status = await readFile(logFile, "utf8");
  expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, "m"));
  expect(status).toMatch(new RegExp(`^Gid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, "m"));
  expect(status).toMatch(/^Groups:\s*$/m);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  for (const set of ["Inh", "Prm", "Eff", "Bnd", "Amb"]) {
    expect(status).toMatch(new RegExp(`^Cap${set}:\\t0+$`, "m"));
  }
});

test("finds all processes of a user and ends them, also those that keep making more", async () => {
  const cwd = await folder();
  const owner = { uid, gid: uid };
  const breeder = "while :; do sleep 5 & sleep 0.01; done";
  const daemon = await spawnDaemon({ argv: ["sh", "-c", breeder], owner, cwd: "/", logFile: join(cwd, "log") });
  await expect.poll(() => processesOfUid(uid).length).toBeGreaterThan(3);
  await killAllOfUid(uid, options());
  expect(processesOfUid(uid)).toEqual([]);
  expect(isAlive(daemon)).toBe(false);
  await killAllOfUid(uid, options());
});
