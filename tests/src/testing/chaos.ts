/**
 * Many creates, with the server, the host's daemon or a VMM killed by -9 at random. Within ten seconds of quiet (no fault,
 * and no boot or delete under way that a fault had cut off and the platform took up again)
 * nothing is left that nobody owns, and every surviving sandbox answers and has what was written to it.
 *
 * The seed plays the same choices again, though not the same moments.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect } from "vitest";
import { startTestPlatform } from "../../../tools/src/test-platform.ts";
import { type Api, connectApi, inSandbox, shell, testPlatform } from "./api.ts";
import {
  childRunning,
  entries,
  guestMemories,
  listening,
  mounts,
  networkDevices,
  type ProcessInfo,
  vmProcesses,
} from "./machine.ts";
import { type Random, seeded } from "./random.ts";

const clients = 3;
const quietMs = 10_000;
const settleLimitMs = 60_000;
/** BOOT_FAILED is Internal, VM_DIED and a conflict are Aborted, a sandbox that failed meanwhile is a FailedPrecondition. */
const allowedOutcomes = ["kept", "deleted", "ended by Internal", "ended by Aborted", "ended by FailedPrecondition"];

/** What one client was told. */
interface Told {
  readonly key: string;
  id: string | undefined;
  /** The content it wrote and was told is written. */
  written: string | undefined;
  deleted: "no" | "asked" | "yes";
  outcome: string;
}

export async function chaos(creates: number, seed: number): Promise<void> {
  const before = { mounts: mounts(), devices: networkDevices() };
  const random = seeded(seed);
  const platform = await startTestPlatform({
    bundle: needed("DNAH_TEST_BUNDLE"),
    vhostDeviceVsock: needed("DNAH_VHOST_DEVICE_VSOCK"),
    invm: needed("DNAH_TEST_INVM"),
  });
  await using _ = platform;
  const { DNAH_TEST_UP_PID: upPid } = platform.env;
  const firstUid = Number(platform.env.DNAH_TEST_FIRST_UID);
  const api = connectApi(testPlatform(platform.env));

  const faults = { server: 0, hostd: 0, vmm: 0 };
  let working = true;
  const killer = (async () => {
    while (working) {
      await sleep(2000 + random.below(6000));
      if (working) await strike(Number(upPid), firstUid, random, faults);
    }
  })();

  const told: Told[] = [];
  let started = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (started < creates) {
        started += 1;
        const one: Told = {
          key: `chaos-${seed}-${started}`,
          id: undefined,
          written: undefined,
          deleted: "no",
          outcome: "",
        };
        told.push(one);
        await liveOneLife(api, one, random);
      }
    }),
  );
  working = false;
  await killer;

  // Boots that were under way when the last fault struck are repeated; under emulation each takes seconds.
  const settledMs = await untilNothingIsUnderWay(api);
  const problems = await untilQuiet(() => findProblems(api, platform.env, told));
  const outcomes = Object.groupBy(told, ({ outcome }) => outcome);
  const counts = Object.entries(outcomes).map(([name, list]) => `${name}: ${list?.length}`);
  console.log(
    `chaos: seed ${seed}, ${told.length} creates, faults ${JSON.stringify(faults)}, ${counts.sort().join(", ")}; settled ${settledMs} ms after the last fault`,
  );
  expect(problems).toEqual([]);
  expect(settledMs).toBeLessThan(settleLimitMs);
  // A fault may end a create or a call, in the ways that the API tells of; enough must have come through to check.
  expect(told.map(({ outcome }) => outcome).filter((outcome) => !allowedOutcomes.includes(outcome))).toEqual([]);
  expect(told.filter(({ outcome }) => outcome === "kept").length).toBeGreaterThan(creates / 20);
  expect(told.filter(({ outcome }) => outcome === "deleted").length).toBeGreaterThan(creates / 20);
  expect(faults.server + faults.hostd + faults.vmm).toBeGreaterThan(5);

  for await (const sandbox of allSandboxes(api)) await api.sandboxes.deleteSandbox({ sandboxId: sandbox.id });
  const { DNAH_TEST_DATA_DIR: dataDir, DNAH_TEST_RUN_DIR: runDir } = platform.env;
  const left = await untilQuiet(async () => [
    ...vmProcesses(firstUid).map(described),
    ...entries(`${dataDir}/hostd/vms`).map((name) => `disk of ${name}`),
    ...entries(`${runDir}/vm`).map((name) => `run directory ${name}`),
    ...listening(`${runDir}/vm/`),
    ...guestMemories(firstUid),
    ...mounts().filter((mount) => !before.mounts.includes(mount)),
    ...networkDevices().filter((device) => !before.devices.includes(device)),
  ]);
  expect(left).toEqual([]);
}

/** Creates, writes, reads back, and now and then deletes; a call that a fault cut is repeated with the same key. */
async function liveOneLife(api: Api, one: Told, random: Random): Promise<void> {
  try {
    const created = await repeated(() =>
      api.sandboxes.createSandbox({ idempotencyKey: one.key }, { timeoutMs: 90_000 }),
    );
    one.id = created?.sandbox?.id as string;
    const text = `${one.key} ${random.below(1e9)}`;
    const data = new TextEncoder().encode(text);
    await repeated(() =>
      api.files.writeFile({ path: "/home/user/witness", data }, { ...inSandbox(one.id as string), timeoutMs: 30_000 }),
    );
    one.written = text;
    if (random.next() < 0.6) {
      one.deleted = "asked";
      await repeated(
        () => api.sandboxes.deleteSandbox({ sandboxId: one.id as string }, { timeoutMs: 60_000 }),
        Code.NotFound,
      );
      one.deleted = "yes";
    }
    one.outcome = one.deleted === "yes" ? "deleted" : "kept";
  } catch (error) {
    one.outcome = `ended by ${Code[ConnectError.from(error).code]}`;
  }
}

/** What a call ends with when a process on its way is killed; Canceled is how an HTTP/2 stream says that it was reset. */
const cutOff = [Code.Unavailable, Code.DeadlineExceeded, Code.Unknown, Code.ResourceExhausted, Code.Canceled];

/** Repeats what a killed process cut off. `done` is a code that says an earlier try had succeeded. */
async function repeated<T>(call: () => Promise<T>, done?: Code): Promise<T | undefined> {
  const until = performance.now() + 120_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code } = ConnectError.from(error);
      if (code === done) return undefined;
      const passing = cutOff.includes(code);
      if (!passing || performance.now() > until) throw error;
      await sleep(200);
    }
  }
}

async function strike(
  upPid: number,
  firstUid: number,
  random: Random,
  faults: Record<"server" | "hostd" | "vmm", number>,
): Promise<void> {
  const target = random.pick(["server", "hostd", "vmm", "vmm"] as const);
  const pid =
    target === "vmm"
      ? random.pick(vmProcesses(firstUid).filter(({ argv }) => argv[0]?.includes("qemu")))?.pid
      : childRunning(upPid, `${target}/src/main.ts`)?.pid;
  if (pid === undefined) return;
  process.kill(pid, "SIGKILL");
  faults[target] += 1;
}

/** Everything that is not as the clients were told; empty when all is well. */
async function findProblems(api: Api, env: Readonly<Record<string, string>>, told: readonly Told[]): Promise<string[]> {
  const problems: string[] = [];
  const running = new Set<string>();
  const kept = new Set<string>();
  for await (const sandbox of allSandboxes(api)) {
    kept.add(sandbox.id);
    if (sandbox.state === SandboxState.RUNNING) running.add(sandbox.id);
    else if (sandbox.state !== SandboxState.FAILED) problems.push(`${sandbox.id} is in state ${sandbox.state}`);
  }
  for (const id of running) {
    const witness = told.find((one) => one.id === id)?.written;
    const seen = await shell(api, id, "cat /home/user/witness 2>/dev/null", AbortSignal.timeout(10_000)).catch(
      (error: unknown) => ({
        output: String(error),
        exitCode: -1,
      }),
    );
    if (witness !== undefined && seen.output !== witness)
      problems.push(`${id} has ${JSON.stringify(seen.output)} for ${JSON.stringify(witness)}`);
    if (witness === undefined && seen.exitCode < 0) problems.push(`${id} does not answer: ${seen.output}`);
  }
  for (const { id, deleted } of told)
    if (deleted === "yes" && id && kept.has(id)) problems.push(`${id} was deleted and is there`);
  const folders = entries(`${env.DNAH_TEST_DATA_DIR}/hostd/vms`).filter((id) => !kept.has(id));
  problems.push(...folders.map((id) => `nobody owns the disk of ${id}`));
  const vmms = vmProcesses(Number(env.DNAH_TEST_FIRST_UID)).filter(({ argv }) => argv[0]?.includes("qemu")).length;
  if (vmms !== running.size) problems.push(`${vmms} VMMs run for ${running.size} running sandboxes`);
  return problems;
}

const described = ({ pid, uid, argv }: ProcessInfo) => `${pid} of uid ${uid}: ${argv[0]}`;

const underWay: readonly number[] = [SandboxState.CREATING, SandboxState.DELETING];

async function untilNothingIsUnderWay(api: Api): Promise<number> {
  const began = performance.now();
  for (;;) {
    const count = await countUnderWay(api).catch(() => 1); // the server may be starting
    const passed = Math.round(performance.now() - began);
    if (count === 0 || passed > settleLimitMs) return passed;
    await sleep(200);
  }
}

async function countUnderWay(api: Api): Promise<number> {
  let count = 0;
  for await (const { state } of allSandboxes(api)) if (underWay.includes(state)) count += 1;
  return count;
}

async function untilQuiet(find: () => Promise<string[]>): Promise<string[]> {
  const until = performance.now() + quietMs;
  for (;;) {
    const problems = await find().catch((error: unknown) => [String(error)]);
    if (problems.length === 0 || performance.now() > until) return problems;
    await sleep(250);
  }
}

async function* allSandboxes(api: Api) {
  let pageToken = "";
  do {
    const page = await api.sandboxes.listSandboxes({ pageToken, pageSize: 50 });
    yield* page.sandboxes;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through \`npm test -- vm\``);
  return value;
}
