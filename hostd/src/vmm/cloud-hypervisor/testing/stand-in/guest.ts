import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The guest: the real agent as a process of this host. Paused, it and all it started stand still. */
export class Guest {
  readonly socket: string;
  readonly ended: Promise<"poweroff" | "crash">;
  readonly #child: ChildProcess;
  readonly #console: number;

  private constructor(child: ChildProcess, socket: string, console: number) {
    this.#child = child;
    this.socket = socket;
    this.#console = console;
    this.ended = once(child, "exit").then(([code]) => (code === 0 ? "poweroff" : "crash"));
  }

  /** `console`: its file, emptied as the VMM does at each start. */
  static async start(agent: string, socket: string, console: string): Promise<Guest> {
    const output = openSync(console, "w", 0o600);
    // A guest ends with its VMM, however that ends.
    const argv = ["--pdeathsig", "SIGKILL", "--", agent, "--listen-unix", socket];
    const child = spawn("setpriv", argv, { stdio: ["ignore", output, output] });
    await once(child, "spawn");
    const guest = new Guest(child, socket, output);
    guest.say("stand-in guest: no kernel runs here");
    while (!existsSync(socket) && child.exitCode === null) {
      await sleep(2);
    }
    return guest;
  }

  say(line: string): void {
    writeSync(this.#console, `${line}\n`);
  }

  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  end(): void {
    this.#signal("SIGKILL");
  }

  #signal(name: NodeJS.Signals): void {
    for (const pid of [this.#child.pid as number, ...childrenOf(this.#child.pid as number)]) {
      try {
        process.kill(pid, name);
      } catch {
        // Gone meanwhile.
      }
    }
  }
}

function childrenOf(parent: number): number[] {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return parents.map(Number).flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const parentPid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      return parentPid === parent ? [pid, ...childrenOf(pid)] : [];
    } catch {
      return [];
    }
  });
}
