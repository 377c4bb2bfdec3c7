/**
 * Prints P50 and P95 of each path beside its floor, from one run: what the platform adds is ours, the floor is the VMM's, the
 * guest's and the kernel's.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Sandbox } from "daytonah";
import { percentilesOf } from "./percentiles.ts";

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    creates: { type: "string", default: "5" },
    execs: { type: "string", default: "100" },
    json: { type: "boolean", default: false },
  },
});

interface Row {
  readonly path: string;
  readonly ms: readonly number[];
  /** What it can't beat; absent for a floor or a stage itself. */
  readonly floorP50?: number;
}

interface Floors {
  readonly boot: readonly number[];
  readonly echo: readonly number[];
  readonly exec: readonly number[];
  readonly forkExec: readonly number[];
}

function measureFloors(): Floors {
  const script = fileURLToPath(new URL("../../hostd/src/bench/floors.ts", import.meta.url));
  const flags = ["--boots", values.creates, "--vhost-device-vsock", values["vhost-device-vsock"]];
  if (values.bundle !== undefined) flags.push("--bundle", values.bundle);
  const printed = execFileSync(process.execPath, [script, ...flags], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(printed) as Floors;
}

const timed = async <T>(work: () => PromiseLike<T>): Promise<[T, number]> => {
  const began = performance.now();
  const result = await work();
  return [result, performance.now() - began];
};

async function measureCreates(count: number) {
  const [creates, firstExecs, deletes] = [[] as number[], [] as number[], [] as number[]];
  const stages = new Map<string, number[]>();
  for (let n = 0; n < count; n += 1) {
    const [sandbox, createMs] = await timed(() => Sandbox.create());
    creates.push(createMs);
    for (const { stage, ms } of sandbox.stages) stages.set(stage, [...(stages.get(stage) ?? []), ms]);
    firstExecs.push((await timed(() => sandbox.exec(["/bin/true"], { check: true })))[1]);
    deletes.push((await timed(() => sandbox.kill()))[1]);
  }
  return { creates, firstExecs, deletes, stages };
}

async function measureExecs(count: number) {
  await using sandbox = await Sandbox.create();
  const [whole, inGuest] = [[] as number[], [] as number[]];
  for (let n = 0; n < count + 10; n += 1) {
    const [result, ms] = await timed(() => sandbox.exec(["/bin/true"], { check: true }));
    if (n < 10) continue; // connections and code paths warm up
    whole.push(ms);
    inGuest.push(result.runTimeMs);
  }
  // What remains of each call without the program's own time in the guest.
  const without = whole.map((ms, n) => ms - (inGuest[n] as number));
  return { whole, inGuest, without };
}

const floors = measureFloors();
const creates = await measureCreates(Number(values.creates));
const execs = await measureExecs(Number(values.execs));
const p50 = (ms: readonly number[]) => percentilesOf(ms).p50;

const rows: Row[] = [
  { path: "floor: VMM alone until the agent answers", ms: floors.boot },
  { path: "floor: vsock dial and one frame echoed", ms: floors.echo },
  { path: "floor: fork and exec in the guest", ms: floors.forkExec },
  { path: "  the agent alone: both, and its own work", ms: floors.exec },
  { path: "create, cold", ms: creates.creates, floorP50: p50(floors.boot) },
  ...[...creates.stages].map(([stage, ms]) => ({ path: `  stage ${stage}`, ms })),
  { path: "first exec", ms: creates.firstExecs, floorP50: p50(floors.echo) + p50(floors.forkExec) },
  { path: "exec round trip", ms: execs.whole, floorP50: p50(floors.echo) + p50(floors.forkExec) },
  { path: "  in the guest (fork, exec, exit)", ms: execs.inGuest },
  { path: "  the way there and back", ms: execs.without, floorP50: p50(floors.echo) },
  { path: "delete", ms: creates.deletes },
];

if (values.json) {
  console.log(
    JSON.stringify(rows.map(({ path, ms, floorP50 }) => ({ path: path.trim(), ...percentilesOf(ms), floorP50 }))),
  );
} else {
  const width = Math.max(...rows.map(({ path }) => path.length));
  const cell = (ms: number | undefined) => (ms === undefined ? "" : ms.toFixed(ms < 100 ? 2 : 0)).padStart(9);
  console.log(
    `${"ms".padEnd(width)}${["P50", "P95", "floor", "ours"].map((title) => title.padStart(9)).join("")}      n`,
  );
  for (const { path, ms, floorP50 } of rows) {
    const { p50: middle, p95, count } = percentilesOf(ms);
    const ours = floorP50 === undefined ? undefined : middle - floorP50;
    console.log(
      `${path.padEnd(width)}${cell(middle)}${cell(p95)}${cell(floorP50)}${cell(ours)}${String(count).padStart(7)}`,
    );
  }
}
