/** A bridge on this machine, and for each host a network namespace on it. */
import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";
import { entries } from "../machine.ts";

/** The kernel's numbers for a bridge's port: it drops all, or forwards. */
const [disabled, forwarding] = ["0", "3"];

export class Network implements Disposable {
  /** The control plane's. */
  readonly address: string;
  readonly #name: string;
  readonly #subnet: string;

  /** `name` is short: what an interface may be called has 15 characters. */
  constructor(name: string, hosts: number) {
    this.#name = name;
    this.#subnet = freeSubnet();
    this.address = `${this.#subnet}.1`;
    ip("link", "add", name, "type", "bridge");
    ip("address", "add", `${this.address}/24`, "dev", name);
    ip("link", "set", name, "up");
    for (let host = 0; host < hosts; host++) {
      const namespace = this.namespaceOf(host);
      ip("netns", "add", namespace);
      ip("link", "add", this.#portOf(host), "type", "veth", "peer", "name", "eth0", "netns", namespace);
      ip("link", "set", this.#portOf(host), "master", name, "up");
      ip("-n", namespace, "address", "add", `${this.addressOf(host)}/24`, "dev", "eth0");
      for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
    }
  }

  addressOf(host: number): string {
    return `${this.#subnet}.${host + 10}`;
  }

  namespaceOf(host: number): string {
    return `${this.#name}-${host}`;
  }

  /** What runs a program in a host's namespace. */
  enter(host: number): string[] {
    return ["nsenter", `--net=/run/netns/${this.namespaceOf(host)}`, "--"];
  }

  /** Processes in a host's namespace. */
  pidsIn(host: number): number[] {
    const output = execFileSync("ip", ["netns", "pids", this.namespaceOf(host)], { encoding: "utf8" });
    return output.split("\n").flatMap((line) => (line === "" ? [] : Number(line)));
  }

  /** From now on no packet gets to or from the host; both sides see a link that is up. */
  cut(host: number): void {
    this.#setPort(host, disabled);
  }

  mend(host: number): void {
    this.#setPort(host, forwarding);
  }

  [Symbol.dispose](): void {
    removeNetwork(this.#name);
  }

  #portOf(host: number): string {
    return `${this.#name}${host}`;
  }

  #setPort(host: number, state: string): void {
    execFileSync("bridge", ["link", "set", "dev", this.#portOf(host), "state", state]);
  }
}

/** All of it, also after a run that was killed. The devices in a namespace go with it. */
export function removeNetwork(name: string): void {
  for (const namespace of entries("/run/netns").filter((one) => one.startsWith(`${name}-`)))
    ip("netns", "del", namespace);
  if (entries("/sys/class/net").includes(name)) ip("link", "del", name);
}

function freeSubnet(): string {
  const taken = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const numbers = Array.from({ length: 256 }, (_, number) => `10.231.${number}`);
  const free = numbers.find((subnet) => !taken.some(({ address }) => address.startsWith(`${subnet}.`)));
  if (free === undefined) throw new Error("no subnet of 10.231.0.0/16 is free");
  return free;
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args);
}
