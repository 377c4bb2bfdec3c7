/**
 * The life of VMs on real files, with a VMM that does what a test says and an agent that says yes to everything; or with
 * a driver that is given, and whatever agent its guests have; or with one that listens at `agentPath`.
 */
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Request, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { agentPort, createAgentClient } from "../../guest/agent-client.ts";
import { endFrame, responseFrame, standInAgent } from "../../guest/testing/stand-in-agent.ts";
import { applyCopy } from "../../host/disk/apply.ts";
import { type CommandRunner, createCommandRunner } from "../../host/exec.ts";
import { ImageStore } from "../../images/image-store.ts";
import { Moves } from "../../moves/moves.ts";
import type { Vm, VmConfig, VmExit, Vmm, VmmCallOptions } from "../../vmm/vmm.ts";
import { HostLease } from "../host-lease.ts";
import { SnapshotStore } from "../snapshot-store.ts";
import type { StartVm } from "../start-vm.ts";
import type { VmDeps } from "../vm-deps.ts";
import { VmFiles } from "../vm-files.ts";
import { VmRegistry } from "../vm-registry.ts";
import { VmStore } from "../vm-store.ts";

const sha = (digit: string) => digit.repeat(64);
const mib = 1024 * 1024;

/** What runs in a scripted VM: it has some memory, and stands or runs. */
export interface ScriptedGuest {
  runs: boolean;
  memory: string;
}

export type ScriptedStep = "pause" | "resume" | "snapshot" | "restore";

export async function lifeHost(driver?: Vmm, agentPath?: string) {
  const dir = await mkdtemp(join(tmpdir(), "dnah-life-"));
  await chmod(dir, 0o711); // a VM's user passes through
  const agent = await standInAgent((request, socket) => {
    script.calls.push(request.call);
    const event = answerOf(request);
    socket.end(event ? Buffer.concat([responseFrame({ event }), endFrame]) : endFrame);
  });
  const exits = new Map<string, (exit: VmExit) => void>();
  const script = {
    boots: [] as VmConfig[],
    restores: [] as { readonly config: VmConfig; readonly dir: string }[],
    sweeps: [] as number[],
    /** What agents were asked. */
    calls: [] as Request["call"][],
    /** What guests have in memory, and whether they run. */
    guests: new Map<string, ScriptedGuest>(),
    /** Runs before each copy of a root disk. */
    copy: async (): Promise<void> => undefined,
    /** Runs with each sweep of a uid. */
    sweep: async (_uid: number): Promise<void> => undefined,
    /** Runs before a boot succeeds. */
    boot: async (_options: VmmCallOptions): Promise<void> => undefined,
    /** Runs at each step that a driver is asked for; may reject. */
    step: async (_step: ScriptedStep, _id: string, _options: VmmCallOptions): Promise<void> => undefined,
    /** What time it is, in milliseconds since 1970. */
    time: () => Date.now(),
    /** VMs that an adopting daemon finds alive. */
    alive: new Set<string>(),
    die: (id: string) => exits.get(id)?.({ kind: "died", detail: "the guest's words" }),
  };
  const vmOf = (config: VmConfig, guest: ScriptedGuest): Vm => {
    const { promise: exited, resolve } = Promise.withResolvers<VmExit>();
    const { id } = config;
    exits.set(id, resolve);
    script.guests.set(id, guest);
    return {
      handle: { driver: "scripted", config, pid: 1, startTime: "1" },
      vsockPath: agentPath ?? agent.path,
      exited,
      pause: async (options) => {
        await script.step("pause", id, options);
        guest.runs = false;
      },
      resume: async (options) => {
        await script.step("resume", id, options);
        guest.runs = true;
      },
      snapshot: async (dir, options) => {
        if (guest.runs) throw new Error("it is running");
        await writeFile(join(dir, "memory"), guest.memory);
        await script.step("snapshot", id, options);
      },
      stop: async () => resolve({ kind: "stopped" }),
      kill: async () => {
        guest.runs = false;
        resolve({ kind: "stopped" });
      },
      residentBytes: async () => 0,
      readConsole: async () => new Uint8Array(),
    };
  };
  const vmm: Vmm = driver ?? {
    name: "scripted",
    capabilities: {
      hardwareIsolated: false,
      snapshot: true,
      copyOnWriteRestore: false,
      clockInPause: "stands",
      nets: false,
      hardware: false,
    },
    unavailable: async () => undefined,
    memoryClass: async () => "scripted",
    boot: async (config, options) => {
      script.boots.push(config);
      await script.boot(options);
      return vmOf(config, { runs: true, memory: "" });
    },
    restore: async (config, dir, options) => {
      script.restores.push({ config, dir });
      const memory = await readFile(join(dir, "memory"), "utf8");
      await script.step("restore", config.id, options);
      return vmOf(config, { runs: true, memory });
    },
    adopt: async ({ config }) => {
      const guest = script.guests.get(config.id);
      return script.alive.has(config.id) && guest ? vmOf(config, guest) : undefined;
    },
    sweep: async ({ uid }) => {
      script.sweeps.push(uid);
      await script.sweep(uid);
    },
    close: () => undefined,
  };

  const bundleDir = join(dir, "bundle");
  await writeBundle(bundleDir);
  const runner = createCommandRunner();
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const dataDir = join(dir, "data");
  const images = new ImageStore(dataDir, {
    clone: (source, target, signal) => applyCopy(runner, { source, target, owner, mode: 0o444 }, "sparse", { signal }),
  });
  await mkdir(dataDir);
  await images.open(bundleDir, { signal: new AbortController().signal });
  const scripted: CommandRunner = {
    run: async (argv, options) => {
      await script.copy();
      return runner.run(argv, options);
    },
  };
  const places = { runDir: join(dir, "run"), firstUid: 2_100_000_000 };
  const files = new VmFiles({ ...places, runner: scripted, copyMethod: "sparse" });
  await files.prepare();

  /** As a daemon that was started anew: nothing of the former's memory. */
  async function restart(): Promise<VmDeps> {
    const store = new VmStore(dataDir);
    await store.prepare();
    const now = () => new Date(script.time());
    const lease = new HostLease(dataDir, now);
    await lease.open();
    return {
      ...{ vmm, store, files, images, log: silentLogger },
      snapshots: await openSnapshots(dataDir),
      moves: await openMoves(dataDir),
      registry: new VmRegistry(store, 4, now),
      lease,
      cgroups: { limits: "unavailable", reason: "a test" },
      size: { vcpus: 8, memoryMib: 2048 },
      now,
      agentAt: (path) => createAgentClient({ path, port: agentPort }),
      limits: { bootMs: 10_000, adoptMs: 5_000, sampleMs: 3_600_000, slots: 4 },
    };
  }
  return {
    ...{ script, restart, dataDir },
    deps: await restart(),
    left: async () => ({ vms: await readdir(join(dataDir, "vms")), runDirs: await readdir(join(dir, "run/vm")) }),
    /** As the guest writes to its disk: over the end of it. */
    writeDisk: async (sandboxId: string, text: string) => {
      const path = join(dataDir, "vms", sandboxId, "root.ext4");
      await using disk = await open(path, "r+");
      await disk.write(text, (await disk.stat()).size - text.length);
    },
    diskEnd: async (sandboxId: string, bytes: number) =>
      (await readFile(join(dataDir, "vms", sandboxId, "root.ext4"), "latin1")).slice(-bytes),
    snapshots: () => readdir(join(dataDir, "snapshots")),
    filesOf: (sandboxId: string) => readdir(join(dataDir, "vms", sandboxId)),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function openSnapshots(dataDir: string): Promise<SnapshotStore> {
  const snapshots = new SnapshotStore(dataDir);
  await snapshots.open();
  return snapshots;
}

async function openMoves(dataDir: string): Promise<Moves> {
  const moves = new Moves(dataDir);
  await moves.open();
  return moves;
}

export function startOf(sandboxId: string, more: Partial<StartVm> = {}): StartVm {
  const sizes = { vcpus: 1, memoryMib: 256, diskMib: 0 };
  return { sandboxId, epoch: 1, template: "base", ...sizes, env: {}, requestId: "", ...more };
}

function answerOf({ call }: Request): MessageInitShape<typeof ResponseSchema>["event"] | undefined {
  if (call.case === "ping") return { case: "pong", value: {} };
  if (call.case === "personalize") return { case: "personalized", value: { epoch: call.value.epoch } };
  return undefined; // commands: quiesce, setClock
}

async function writeBundle(dir: string): Promise<void> {
  await mkdir(dir);
  const file = (digit: string) => ({ file: `f${digit}`, sha256: sha(digit) });
  for (const digit of ["1", "2", "3", "4"]) await writeFile(join(dir, `f${digit}`), Buffer.alloc(mib, digit));
  const template = { ...file("4"), name: "base", sizeBytes: mib, description: "a test's", packages: {} };
  const bundle = {
    ...{ formatVersion: 1, architecture: "x86_64", kernel: { ...file("1"), version: "6" }, initramfs: file("2") },
    ...{ moduleDisk: { ...file("3"), filesystem: "ext4" }, templates: [template] },
  };
  await writeFile(join(dir, "bundle.json"), JSON.stringify(bundle));
}
