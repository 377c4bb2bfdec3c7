/** A VM that runs the load of soak-load.py, and is asked about it. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { sleep } from "@daytonah/lib/sleep.ts";
import { expect } from "vitest";
import type { Clients } from "../../testing/daemon.ts";

const program = new URL("soak-load.py", import.meta.url);
const kib = 1024;
/** Of milliseconds, on top of how long a question took: a clock is no better than what it is read by. */
const slackMs = 20;
const wallSlackMs = 50;

/** Longer than anything here takes on a loaded machine: what takes longer is wedged. */
export const soakLimit = () => ({ signal: AbortSignal.timeout(60_000) });

/** What was written to the program, and what it answered: part of the agent's memory, and so of a snapshot. */
export interface Dialogue {
  readonly asked: bigint;
  readonly answered: bigint;
}

interface Clocks {
  readonly wall: number;
  readonly monotonic: number;
  readonly ticks: number;
  readonly alarms: number;
  readonly backwards: number;
  readonly early: number;
  readonly writes: number;
}

interface Everything extends Clocks {
  readonly ext4Errors: number;
  readonly brokenDisk: readonly number[];
  readonly brokenMemory: readonly number[];
  readonly kernel: readonly string[];
}

interface Told<T> {
  readonly answer: T;
  readonly sent: HostTime;
  readonly received: HostTime;
}

/** Milliseconds. */
interface HostTime {
  readonly wall: number;
  readonly monotonic: number;
}

const hostTime = (): HostTime => ({ wall: Date.now(), monotonic: performance.now() });

function within(value: number, least: number, most: number, slack: number): void {
  expect(value, "its clock").toBeGreaterThanOrEqual(least - slack);
  expect(value, "its clock").toBeLessThanOrEqual(most + slack);
}

const load = { selector: { case: "processId" as const, value: "load" } };

export class SoakVm {
  readonly sandboxId: string;
  epoch = 1n;
  readonly #clients: Clients;
  #dialogue: Dialogue;

  private constructor(clients: Clients, sandboxId: string, dialogue: Dialogue) {
    this.sandboxId = sandboxId;
    this.#clients = clients;
    this.#dialogue = dialogue;
  }

  /** One whose load was begun by its parent. */
  static child(...args: [clients: Clients, sandboxId: string, dialogue: Dialogue]): SoakVm {
    return new SoakVm(...args);
  }

  /** Begins the load in a VM that was booted. */
  static async begin(clients: Clients, sandboxId: string): Promise<SoakVm> {
    const vm = new SoakVm(clients, sandboxId, { asked: 0n, answered: 0n });
    await clients.files.writeFile({ path: "load.py", data: await readFile(program) }, vm.#call());
    const args = ["python3", "/home/user/load.py"];
    const request = {
      command: { case: "argv" as const, value: { args } },
      user: "root",
      processId: "load",
      stdin: true,
    };
    for await (const _ of clients.processes.exec({ ...request, detach: true }, vm.#call()));
    await vm.#ask("clocks");
    return vm;
  }

  get dialogue(): Dialogue {
    return this.#dialogue;
  }

  /** Resolves with its first answer. */
  clocks(): Promise<Told<Clocks>> {
    return this.#ask("clocks");
  }

  /** Everything that may have come to harm, against what it said `first`; `streamKib` go each way. */
  async check(first: Told<Clocks>, streamKib: number): Promise<void> {
    await this.#checkStreams("checked", streamKib);
    expect(await this.#run("hostname")).toBe(`${this.sandboxId}\n`);
    const last = await this.#ask<Everything>("all");
    expect(last.answer).toMatchObject({ brokenDisk: [], brokenMemory: [], ext4Errors: 0, kernel: [] });
    expect(last.answer).toMatchObject({ backwards: 0, early: 0 });
    for (const { answer, sent, received } of [first, last]) {
      within(answer.wall * 1000, sent.wall, received.wall, wallSlackMs);
    }
    const passed = (last.answer.monotonic - first.answer.monotonic) * 1000;
    const [least, most] = [
      last.sent.monotonic - first.received.monotonic,
      last.received.monotonic - first.sent.monotonic,
    ];
    within(passed, least, most, slackMs);
    for (const goesOn of ["ticks", "alarms", "writes"] as const) {
      expect(last.answer[goesOn], goesOn).toBeGreaterThan(first.answer[goesOn]);
    }
  }

  /** Calls and streams without a break until it is told to end; each is right, whatever is done to the VM meanwhile. */
  traffic(): { end(): Promise<void> } {
    let ends = false;
    const again = async (call: () => Promise<void>) => {
      while (!ends) {
        await call();
        await sleep(5, this.#call());
      }
    };
    const all = Promise.all([
      again(() => this.#checkLines()),
      again(() => this.#checkStreams("one", 1024)),
      again(() => this.#checkStreams("two", 1024)),
    ]);
    all.catch(() => undefined);
    return {
      end: async () => {
        ends = true;
        await all;
      },
    };
  }

  #call() {
    return { ...soakLimit(), headers: { "sandbox-id": this.sandboxId } };
  }

  /** What was written is what is read. */
  async #checkStreams(path: string, streamKib: number): Promise<void> {
    const data = randomBytes(streamKib * kib);
    await this.#clients.files.writeFile({ path, data }, this.#call());
    const parts: Uint8Array[] = [];
    for await (const { part } of this.#clients.files.readFile({ path }, this.#call())) {
      if (part.case === "data") parts.push(part.value);
    }
    expect(Buffer.concat(parts).equals(data)).toBe(true);
  }

  /** The output of a program that is slow to write, whole and in order. */
  async #checkLines(): Promise<void> {
    const printed = await this.#run("bash", "-c", "for i in $(seq 10); do echo $i; sleep 0.02; done");
    expect(printed).toBe("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
  }

  async #run(...args: string[]): Promise<string> {
    let text = "";
    const request = { command: { case: "argv" as const, value: { args } } };
    for await (const { event } of this.#clients.processes.exec(request, this.#call())) {
      if (event.case === "output") text += Buffer.from(event.value.data).toString();
    }
    return text;
  }

  /** One question at a time. */
  async #ask<T extends Clocks>(question: "clocks" | "all"): Promise<Told<T>> {
    const { asked, answered } = this.#dialogue;
    const data = Buffer.from(`${question}\n`);
    const sent = hostTime();
    await this.#clients.processes.sendInput({ process: load, offset: asked, data }, this.#call());
    let line = "";
    const stream = this.#clients.processes.attachProcess({ process: load, fromOffset: answered }, this.#call());
    for await (const { event } of stream) {
      if (event.case === "exited") expect.fail(`the load ended: ${line}`);
      if (event.case !== "output") continue;
      expect(event.value.offset).toBe(answered + BigInt(line.length));
      line += Buffer.from(event.value.data).toString();
      if (line.endsWith("\n")) break;
    }
    const received = hostTime();
    this.#dialogue = {
      ...this.#dialogue,
      asked: asked + BigInt(data.length),
      answered: answered + BigInt(line.length),
    };
    return { answer: JSON.parse(line) as T, sent, received };
  }
}
