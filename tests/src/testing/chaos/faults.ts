/** What is done to the platform, one fault after the other, in an order that the seed gives. */
import { setTimeout as sleep } from "node:timers/promises";
import { entries, processes } from "../machine.ts";
import type { Random } from "../random.ts";
import { Caller } from "./caller.ts";
import type { ChaosHost } from "./chaos-host.ts";
import { sandboxOf } from "./witness.ts";
import type { World } from "./world.ts";

export const faultKinds = ["server", "daemon", "vmm", "postgres", "reboot", "full disk", "partition", "drain"] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Longer than a lease, so that the host freezes its VMs, and than a host may be silent before they are lost. */
const longCutMs = 26_000;
/** For a client to take a snapshot. */
const snapshotMs = 20_000;
const drainMs = 20_000;
/** Shorter than a lease, which is written to the disk as well. */
const fullMs = 3_000;

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  readonly #world: World;
  readonly #random: Random;
  #deck: FaultKind[] = [];
  #cut: Promise<void> | undefined;
  #cuts = 0;
  #draining: Promise<void> | undefined;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** Until the world is over; everything is whole again then. */
  async run(): Promise<void> {
    while (!this.#world.over.aborted) {
      await this.#pass(1_000 + this.#random.below(4_000));
      const kind = this.#draw();
      if (this.#world.over.aborted) break;
      if (await this.#strike(kind)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    }
    await Promise.all([this.#cut, this.#draining]);
  }

  /** Each kind once before any comes again. */
  #draw(): FaultKind {
    if (this.#deck.length === 0) this.#deck = this.#random.shuffle(faultKinds);
    return this.#deck.pop() as FaultKind;
  }

  /** Whether there was anything to strike. */
  async #strike(kind: FaultKind): Promise<boolean> {
    const { hosts, servers, postgres } = this.#world.cluster;
    const host = this.#random.pick(hosts);
    const downMs = this.#random.below(2_000);
    switch (kind) {
      case "server": {
        const server = this.#random.pick(servers);
        await server.end("SIGKILL");
        await sleep(downMs);
        await server.start();
        return true;
      }
      case "daemon":
        return host.killDaemon();
      case "vmm":
        return this.#killVmm();
      case "postgres":
        process.kill(postgres.pid, "SIGKILL");
        await postgres.program.end("SIGTERM");
        await sleep(downMs);
        await postgres.program.start();
        return true;
      case "reboot":
        await host.reboot(downMs);
        return true;
      case "full disk":
        return this.#fillAtSnapshot(this.#random.below(200));
      case "partition":
        return this.#partition();
      case "drain":
        return this.#drain(host.id);
    }
  }

  #killVmm(): boolean {
    const { cluster, vmmKills } = this.#world;
    const vmms = processes().flatMap((one) => {
      const id = sandboxOf(one);
      return id !== undefined && cluster.hosts.some((host) => host.isVm(one)) ? [{ id, pid: one.pid }] : [];
    });
    const vmm = this.#random.pick(vmms);
    if (!vmm) return false;
    vmmKills.set(vmm.id, (vmmKills.get(vmm.id) ?? 0) + 1);
    process.kill(vmm.pid, "SIGKILL");
    return true;
  }

  /** The next snapshot that a client takes finds the disk full when it has begun. */
  async #fillAtSnapshot(afterMs: number): Promise<boolean> {
    let filled = false;
    const { promise: over, resolve } = Promise.withResolvers<void>();
    this.#world.onSnapshot = async (host) => {
      try {
        filled = await hasDraft(host);
        if (!filled) return;
        await sleep(afterMs);
        host.disk.fill();
        await sleep(fullMs);
      } finally {
        host.disk.free();
        resolve();
      }
    };
    await Promise.race([over, sleep(snapshotMs)]);
    if (this.#world.onSnapshot === undefined) await over;
    this.#world.onSnapshot = undefined;
    return filled;
  }

  /** Goes on beside what comes next; the first is a long one. */
  #partition(): boolean {
    const { network, hosts } = this.#world.cluster;
    if (this.#cut) return false;
    const long = this.#cuts % 3 === 0;
    this.#cuts += 1;
    const index = this.#random.below(hosts.length);
    const ms = long ? longCutMs : 2_000 + this.#random.below(6_000);
    network.cut(index);
    this.#cut = this.#pass(ms).then(() => {
      network.mend(index);
      this.#cut = undefined;
    });
    return true;
  }

  /** Goes on beside what comes next: its sandboxes move to the other hosts meanwhile. */
  #drain(hostId: string): boolean {
    if (this.#draining) return false;
    const caller = new Caller(this.#world.cluster.apis, this.#world.model, this.#random);
    const drained = async () => {
      await caller.repeated("drain", ({ hosts }) => hosts.drainHost({ hostId }));
      await this.#pass(drainMs);
      await caller.repeated("undrain", ({ hosts }) => hosts.undrainHost({ hostId }));
      this.#draining = undefined;
    };
    this.#draining = drained();
    return true;
  }

  /** So long, or until the faults are to end. */
  async #pass(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#world.over }).catch(() => undefined);
  }
}

/** Whether one of a snapshot comes soon. */
async function hasDraft({ snapshotsDir }: ChaosHost): Promise<boolean> {
  const until = performance.now() + snapshotMs;
  while (!entries(snapshotsDir).some((name) => name.endsWith(".draft"))) {
    if (performance.now() > until) return false;
    await sleep(5);
  }
  return true;
}
