/**
 * The life of VMs on real files, with a VMM that does what a test says and an agent that says yes to everything; or with
 * a driver that is given, and whatever agent its guests have.
 */
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
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
import type { Vm, VmConfig, VmExit, Vmm, VmmCallOptions } from "../../vmm/vmm.ts";
import type { StartVm } from "../start-vm.ts";
import type { VmDeps } from "../vm-deps.ts";
import { VmFiles } from "../vm-files.ts";
import { VmRegistry } from "../vm-registry.ts";
import { VmStore } from "../vm-store.ts";

const sha = (digit: string) => digit.repeat(64);
const mib = 1024 * 1024;

export async function lifeHost(driver?: Vmm) {
  const dir = await mkdtemp(join(tmpdir(), "dnah-life-"));
  await chmod(dir, 0o711); // a VM's user passes through
  const agent = await standInAgent((request, socket) => {
    const event = answerOf(request);
    socket.end(event ? Buffer.concat([responseFrame({ event }), endFrame]) : endFrame);
  });
  const exits = new Map<string, (exit: VmExit) => void>();
  const script = {
    boots: [] as VmConfig[],
    sweeps: [] as number[],
    /** Runs before each copy of a root disk. */
    copy: async (): Promise<void> => undefined,
    /** Runs with each sweep of a uid. */
    sweep: async (_uid: number): Promise<void> => undefined,
    /** Runs before a boot succeeds. */
    boot: async (_options: VmmCallOptions): Promise<void> => undefined,
    /** VMs that an adopting daemon finds alive. */
    alive: new Set<string>(),
    die: (id: string) => exits.get(id)?.({ kind: "died", detail: "the guest's words" }),
  };
  const vmOf = (config: VmConfig): Vm => {
    const { promise: exited, resolve } = Promise.withResolvers<VmExit>();
    exits.set(config.id, resolve);
    const nothing = async () => undefined;
    return {
      handle: { driver: "scripted", config, pid: 1, startTime: "1" },
      vsockPath: agent.path,
      ...{ exited, pause: nothing, resume: nothing, snapshot: nothing, stop: nothing },
      kill: async () => resolve({ kind: "stopped" }),
      residentBytes: async () => 0,
      readConsole: async () => new Uint8Array(),
    };
  };
  const vmm: Vmm = driver ?? {
    name: "scripted",
    capabilities: {
      hardwareIsolated: false,
      snapshot: false,
      copyOnWriteRestore: false,
      clockInPause: "stands",
      nets: false,
      hardware: false,
    },
    unavailable: async () => undefined,
    boot: async (config, options) => {
      script.boots.push(config);
      await script.boot(options);
      return vmOf(config);
    },
    restore: () => Promise.reject(new Error("not in this test")),
    adopt: async (handle) => (script.alive.has(handle.config.id) ? vmOf(handle.config) : undefined),
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
    return {
      ...{ vmm, store, files, images, log: silentLogger },
      registry: new VmRegistry(store, 4),
      cgroups: { limits: "unavailable", reason: "a test" },
      size: { vcpus: 8, memoryMib: 2048 },
      now: () => new Date(),
      agentAt: (path) => createAgentClient({ path, port: agentPort }),
      limits: { bootMs: 10_000, adoptMs: 5_000, sampleMs: 3_600_000, slots: 4 },
    };
  }
  return {
    ...{ script, restart, dataDir },
    deps: await restart(),
    left: async () => ({ vms: await readdir(join(dataDir, "vms")), runDirs: await readdir(join(dir, "run/vm")) }),
    filesOf: (sandboxId: string) => readdir(join(dataDir, "vms", sandboxId)),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function startOf(sandboxId: string, more: Partial<StartVm> = {}): StartVm {
  const sizes = { vcpus: 1, memoryMib: 256, diskMib: 0 };
  return { sandboxId, epoch: 1, template: "base", ...sizes, env: {}, requestId: "", ...more };
}

function answerOf({ call }: Request): MessageInitShape<typeof ResponseSchema>["event"] | undefined {
  if (call.case === "ping") return { case: "pong", value: {} };
  if (call.case === "personalize") return { case: "personalized", value: { epoch: call.value.epoch } };
  return undefined;
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
