/** A host in a network namespace: its disk, its daemon, and what can happen to them. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { uidsPerDaemon } from "../../../../hostd/src/vm/uid-range.ts";
import { root } from "../../../../tools/src/setup/setup.ts";
import { testFirstUid } from "../../../../tools/src/sweep-test-platforms.ts";
import { childRunning, guestMemories, memoryDir, type ProcessInfo } from "../machine.ts";
import { HostDisk } from "./host-disk.ts";
import type { Network } from "./network.ts";
import { Program } from "./program.ts";
import type { WitnessedHost } from "./witness.ts";

export interface ChaosHostOptions {
  readonly index: number;
  readonly network: Network;
  readonly dataDir: string;
  readonly runDir: string;
  readonly bundle: string;
  readonly vhostDeviceVsock: string;
}

/** Of its VMs; more than the clients need, so that a host that is away is no lack of room. */
const memoryMib = 4096;

export class ChaosHost implements AsyncDisposable, WitnessedHost {
  readonly id: string;
  readonly index: number;
  readonly dataDir: string;
  readonly runDir: string;
  readonly disk: HostDisk;
  /** How often all that ran on it was lost. */
  reboots = 0;
  /** How often its daemon was. */
  daemonKills = 0;
  #firstUid = Number.NaN;
  readonly #network: Network;
  readonly #command: readonly string[];
  readonly #flags: readonly string[];
  readonly #program: Program;

  private constructor(options: ChaosHostOptions, disk: HostDisk) {
    const { index, network, vhostDeviceVsock } = options;
    this.#network = network;
    this.id = idOf(index);
    this.index = index;
    this.dataDir = disk.dir;
    this.runDir = join(options.runDir, String(index));
    this.disk = disk;
    mkdirSync(this.runDir);
    const address = network.addressOf(index);
    const flags = {
      "--hostd-listen": `${address}:18048`,
      "--edge-listen": `${address}:18049`,
      "--data-dir": this.dataDir,
      "--run-dir": this.runDir,
      "--bundle": join(this.dataDir, basename(options.bundle)),
      "--vhost-device-vsock": vhostDeviceVsock,
    };
    this.#command = [...network.enter(index), process.execPath, join(root, "cli/src/main.ts"), "host"];
    this.#flags = Object.entries(flags).flat();
    const logFile = join(options.dataDir, `${this.id}.log`);
    this.#program = new Program({ argv: this.#up, env: { DNAH_MEMORY_MIB: String(memoryMib) }, logFile });
  }

  /** The bundle is on the host's own disk, where an import is no more than a second name. */
  static async make(options: ChaosHostOptions): Promise<ChaosHost> {
    return new ChaosHost(options, await HostDisk.make(join(options.dataDir, idOf(options.index)), options.bundle));
  }

  /** Of its VMs; not a number until its daemon has begun. */
  get firstUid(): number {
    if (!Number.isSafeInteger(this.#firstUid)) this.#firstUid = testFirstUid(this.dataDir);
    return this.#firstUid;
  }

  isVm({ uid }: ProcessInfo): boolean {
    const { firstUid } = this;
    return uid >= firstUid && uid < firstUid + uidsPerDaemon;
  }

  epochOf(sandboxId: string): number | undefined {
    try {
      const text = readFileSync(join(this.vmsDir, sandboxId, "vm.json"), "utf8");
      const { state, epoch } = JSON.parse(text) as { state: string; epoch: number };
      return state === "running" ? epoch : undefined;
    } catch {
      return undefined; // it was deleted since
    }
  }

  get vmsDir(): string {
    return join(this.dataDir, "hostd/vms");
  }

  get snapshotsDir(): string {
    return join(this.dataDir, "hostd/snapshots");
  }

  get daemonPid(): number | undefined {
    const { pid } = this.#program;
    return pid === undefined ? undefined : childRunning(pid, "hostd/src/main.ts")?.pid;
  }

  async join(server: string, token: string): Promise<void> {
    await this.#program.start([
      ...this.#command,
      "join",
      ...this.#flags,
      "--server",
      server,
      "--token",
      token,
      "--host-id",
      this.id,
    ]);
  }

  /** `dnah host up` starts it again. */
  killDaemon(): boolean {
    const pid = this.daemonPid;
    if (pid === undefined) return false;
    this.daemonKills += 1;
    process.kill(pid, "SIGKILL");
    return true;
  }

  /** The power fails for a while: no process, no socket, no memory is left, and of the disk only what was flushed. */
  async reboot(downMs: number): Promise<void> {
    this.reboots += 1;
    await this.#endAll();
    rmSync(this.runDir, { recursive: true });
    mkdirSync(this.runDir);
    for (const name of guestMemories(this.firstUid)) rmSync(join(memoryDir, name), { recursive: true });
    await this.disk.losePower();
    await sleep(downMs);
    await this.#program.start();
  }

  /** VMs that a failed test left end with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.end("SIGTERM");
    await this.#endAll();
    await this.disk[Symbol.asyncDispose]();
  }

  /** Every process of the host. Resolves when they are gone: until then they keep files open. */
  async #endAll(): Promise<void> {
    await this.#program.end("SIGKILL");
    for (;;) {
      const pids = this.#network.pidsIn(this.index);
      if (pids.length === 0) return;
      for (const pid of pids) killIfThere(pid);
      await sleep(10);
    }
  }

  get #up(): string[] {
    return [...this.#command, "up", ...this.#flags];
  }
}

const idOf = (index: number) => `host${index}`;

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
