/**
 * Looks at every VMM of the machine a few times a second, and remembers which VMs ran: whether ever two VMs of one sandbox were
 * alive at once. A VM that stands still does not run: its VMM is there, and its processors take no time.
 */
import { readdirSync, readFileSync } from "node:fs";
import { type ProcessInfo, processes } from "../machine.ts";

/** A VM's processors take more than this between two looks as soon as anything runs in it. */
const ranNs = 100_000;
const everyMs = 300;

export interface Running {
  readonly sandboxId: string;
  readonly pid: number;
  /** Of the processors, since the VMM began. */
  readonly ns: number;
  /** Looks, up to now, between which it ran each time. */
  readonly ranLooks: number;
}

/** Where VMs are looked for, and what their hosts say of them. */
export interface WitnessedHost {
  readonly id: string;
  isVm(process: ProcessInfo): boolean;
  /** Of a VM that the host says is running. */
  epochOf(sandboxId: string): number | undefined;
}

export class Witness implements Disposable {
  readonly violations = new Set<string>();
  /** Looks at VMs that ran. */
  sightings = 0;
  /** Epochs that ran. */
  readonly epochs = new Map<string, { readonly epoch: number; readonly host: string }>();
  readonly #hosts: readonly WitnessedHost[];
  readonly #timer: NodeJS.Timeout;
  #last = new Map<number, Running>();

  constructor(hosts: readonly WitnessedHost[]) {
    this.#hosts = hosts;
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  look(): void {
    const now = new Map<number, Running>();
    for (const process of processes()) {
      const sandboxId = sandboxOf(process);
      const host = this.#hosts.find((one) => one.isVm(process));
      if (sandboxId === undefined || !host) continue;
      const { pid } = process;
      const ns = processorNs(pid);
      const before = this.#last.get(pid);
      const ran = before !== undefined && ns - before.ns > ranNs;
      now.set(pid, { sandboxId, pid, ns, ranLooks: ran ? before.ranLooks + 1 : 0 });
      if (ran) this.#noteEpoch(host, sandboxId);
    }
    this.#last = now;
    // Twice: one may have been stopped, and the other one begun, between two looks.
    const alive = Map.groupBy(
      [...now.values()].filter(({ ranLooks }) => ranLooks >= 2),
      ({ sandboxId }) => sandboxId,
    );
    for (const [sandboxId, vms] of alive) {
      this.sightings += 1;
      if (vms.length < 2) continue;
      this.violations.add(`${vms.length} VMs of ${sandboxId} are alive: ${vms.map(({ pid }) => pid).join(" ")}`);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** One epoch is one host's, and never comes back. */
  #noteEpoch(host: WitnessedHost, sandboxId: string): void {
    const epoch = host.epochOf(sandboxId);
    if (epoch === undefined) return;
    const before = this.epochs.get(sandboxId);
    if (before && (epoch < before.epoch || (epoch === before.epoch && host.id !== before.host))) {
      this.violations.add(`${sandboxId} ran as ${epoch} on ${host.id} after ${before.epoch} on ${before.host}`);
    }
    this.epochs.set(sandboxId, { epoch, host: host.id });
  }
}

/** The sandbox whose VMM a process is. */
export function sandboxOf({ argv }: ProcessInfo): string | undefined {
  if (!argv[0]?.includes("qemu")) return undefined;
  return argv.map((word) => /^guest=(\w+)$/.exec(word)?.[1]).find((id) => id !== undefined);
}

/** Of the thread that is the processors': of those beside the main one it has run longest by far. */
function processorNs(pid: number): number {
  try {
    const threads = readdirSync(`/proc/${pid}/task`).filter((thread) => thread !== String(pid));
    return Math.max(
      0,
      ...threads.map((thread) => Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1"), 10)),
    );
  } catch {
    return 0; // it has ended
  }
}
