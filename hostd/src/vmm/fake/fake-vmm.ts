import { access, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "@daytonah/lib/sleep.ts";
import { type Daemon, executablePath, spawnDaemon } from "../../host/exec.ts";
import {
  descendantsOf,
  isAlive,
  killProcess,
  type ProcessId,
  readProcess,
  waitForExit,
} from "../../host/process-table.ts";
import type { Vm, VmConfig, VmExit, VmHandle, Vmm, VmmCallOptions } from "../vmm.ts";
import { FakeVsock } from "./fake-vsock.ts";

export interface FakeVmmConfig {
  /** The agent's program: `invm --listen-unix <path>` is the guest. */
  readonly invmBinary: string;
}

const NAME = "fake";
const POLL_MS = 20;
const CLEANUP_TIMEOUT_MS = 10_000;
const CONSOLE_BYTES = 64 * 1024;
const LOG_BYTES = 16 * 1024 * 1024;

/**
 * A driver without VMs: the real agent as a plain process of this host and of our own user, so that tests of the layers
 * above need no root, no kernel and no seconds. Processes, files and the wire are real; disks and sizes are ignored.
 */
export function createFakeVmm(config: FakeVmmConfig): Vmm {
  const vms = new Set<FakeVm>();
  const keep = (vm: FakeVm): Vm => {
    vms.add(vm);
    void vm.exited.then(() => vms.delete(vm));
    return vm;
  };
  return {
    name: NAME,
    capabilities: {
      hardwareIsolated: false,
      snapshot: false,
      copyOnWriteRestore: false,
      clockInPause: "goes on",
      nets: false,
      hardware: false,
    },
    unavailable: async () => {
      try {
        await executablePath(config.invmBinary);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
    memoryClass: async () => NAME,
    boot: async (vm, options) => keep(await boot(config, vm, options)),
    restore: () => Promise.reject(new Error("the fake has no snapshots")),
    adopt: async (handle, options) => {
      options.signal.throwIfAborted();
      if (!isAlive(handle) || readProcess(handle.pid)?.name !== "invm") {
        await sweep(handle.config);
        return undefined;
      }
      return keep(new FakeVm(handle.config, handle, await FakeVsock.listen(pathsOf(handle.config))));
    },
    sweep,
    close: () => {
      for (const vm of vms) {
        vm.release();
      }
      vms.clear();
    },
  };
}

function pathsOf(config: Pick<VmConfig, "dir">) {
  return { vsock: join(config.dir, "vsock"), agent: join(config.dir, "agent"), log: join(config.dir, "agent.log") };
}

async function boot(config: FakeVmmConfig, vm: VmConfig, options: VmmCallOptions): Promise<FakeVm> {
  try {
    options.signal.throwIfAborted();
    if (vm.nets?.length) {
      throw new Error("the fake has no network devices");
    }
    // What a VMM would refuse.
    for (const path of [vm.kernel, vm.initramfs, ...vm.disks.map((disk) => disk.path)]) {
      await access(path);
    }
    const paths = pathsOf(vm);
    const agent = await spawnDaemon({
      argv: [config.invmBinary, "--listen-unix", paths.agent],
      cwd: vm.dir,
      logFile: paths.log,
      maxFileBytes: LOG_BYTES,
    });
    await agentListens(agent, paths, options);
    return new FakeVm(vm, agent, await FakeVsock.listen(paths));
  } catch (error) {
    await sweep(vm);
    throw error;
  }
}

async function agentListens(agent: Daemon, paths: ReturnType<typeof pathsOf>, options: VmmCallOptions): Promise<void> {
  while (!(await stat(paths.agent).catch(() => undefined))) {
    if (!isAlive(agent)) {
      throw new Error(`the agent ${await agent.exited}: ${await readFile(paths.log, "utf8")}`);
    }
    await sleep(2, options);
  }
}

/** Ends the agents whose folder this is, and what they started. */
async function sweep(config: Pick<VmConfig, "dir">): Promise<void> {
  const argument = `\0--listen-unix\0${pathsOf(config).agent}\0`;
  for (const name of await readdir("/proc")) {
    const process = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    // By its arguments: what becomes an agent has them before it has its name.
    if (process && (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).endsWith(argument)) {
      await killTree(process);
    }
  }
  await removeFiles(config);
}

async function removeFiles(config: Pick<VmConfig, "dir">): Promise<void> {
  for (const path of Object.values(pathsOf(config))) {
    await rm(path, { force: true });
  }
}

async function killTree(root: ProcessId): Promise<void> {
  // Stopped first, so that none starts another meanwhile.
  killProcess(root, "SIGSTOP");
  for (const process of [...descendantsOf(root.pid), root]) {
    killProcess(process, "SIGKILL");
    await waitForExit(process, { signal: AbortSignal.timeout(CLEANUP_TIMEOUT_MS), intervalMs: 1 });
  }
}

class FakeVm implements Vm {
  readonly handle: VmHandle;
  readonly vsockPath: string;
  readonly exited: Promise<VmExit>;
  readonly #config: VmConfig;
  readonly #agent: ProcessId & Partial<Daemon>;
  readonly #vsock: FakeVsock;
  readonly #exited = Promise.withResolvers<VmExit>();
  readonly #watch = new AbortController();
  #exit: VmExit | undefined;
  #end: Promise<void> | undefined;
  #consoleRead = 0;

  constructor(config: VmConfig, agent: ProcessId & Partial<Daemon>, vsock: FakeVsock) {
    this.#config = config;
    this.#agent = agent;
    this.#vsock = vsock;
    this.vsockPath = pathsOf(config).vsock;
    this.handle = { driver: NAME, config, pid: agent.pid, startTime: agent.startTime };
    this.exited = this.#exited.promise;
    const ended = agent.exited ?? this.#polled();
    ended.then(
      (how) => {
        if (!this.#watch.signal.aborted) {
          this.#exit ??= how === "exited with 0" ? { kind: "poweroff" } : { kind: "died", detail: `the agent ${how}` };
          void this.#finish();
        }
      },
      () => {},
    );
  }

  async pause(options: VmmCallOptions): Promise<void> {
    options.signal.throwIfAborted();
    for (const process of this.#processes()) {
      killProcess(process, "SIGSTOP");
    }
  }

  async resume(options: VmmCallOptions): Promise<void> {
    options.signal.throwIfAborted();
    for (const process of this.#processes()) {
      killProcess(process, "SIGCONT");
    }
  }

  snapshot(): Promise<void> {
    return Promise.reject(new Error("the fake has no snapshots"));
  }

  stop(): Promise<void> {
    return this.kill();
  }

  async kill(): Promise<void> {
    this.#exit ??= { kind: "stopped" };
    await this.#finish();
  }

  /** Its agent's log stands for it. */
  async readConsole(): Promise<Uint8Array> {
    const log = await readFile(pathsOf(this.#config).log);
    const news = log.subarray(this.#consoleRead).subarray(-CONSOLE_BYTES);
    this.#consoleRead = log.length;
    return news;
  }

  async residentBytes(): Promise<number> {
    return this.#processes().reduce((sum, { pid }) => sum + (readProcess(pid)?.residentBytes ?? 0), 0);
  }

  release(): void {
    this.#watch.abort();
    this.#vsock.close();
  }

  #processes(): readonly ProcessId[] {
    return [this.#agent, ...descendantsOf(this.#agent.pid)];
  }

  async #polled(): Promise<string> {
    await waitForExit(this.#agent, { signal: this.#watch.signal, intervalMs: POLL_MS, ref: false });
    return "is gone";
  }

  #finish(): Promise<void> {
    this.#end ??= this.#finishOnce();
    return this.#end;
  }

  async #finishOnce(): Promise<void> {
    this.#watch.abort();
    this.#vsock.close();
    await killTree(this.#agent);
    await removeFiles(this.#config);
    this.#exited.resolve(this.#exit ?? { kind: "died", detail: "the agent is gone" });
  }
}
