import { HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import type { Connection } from "./connection.ts";
import { dateOf, lowerNameOf } from "./convert.ts";
import { type ListOptions, pages } from "./pages.ts";

/** A machine that runs sandboxes. */
export interface Host {
  /** Name of the host. */
  readonly id: string;
  /** Whether it answers. */
  readonly state: "ready" | "unreachable" | "unknown";
  /** "x86_64" or "aarch64". */
  readonly architecture: string;
  /** "cloud-hypervisor" or "qemu". */
  readonly driver: string;
  /** False where VMs are emulated: then a sandbox is no security boundary. */
  readonly hardwareIsolated: boolean;
  /** Virtual CPUs it offers. */
  readonly vcpus: number;
  /** Memory it offers, MiB. */
  readonly memoryMib: number;
  /** Free on its disk, MiB. */
  readonly diskFreeMib: number;
  /** Sandboxes on it. */
  readonly sandboxes: number;
  /** When it last answered. */
  readonly seenTime: Date;
  /** Release of its daemon. */
  readonly version: string;
}

/** The hosts of the platform; at `client.hosts`. */
export class Hosts {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The hosts by id. Needs scope `admin`. */
  list(options: ListOptions = {}): AsyncIterable<Host> {
    const connection = this.#connection;
    return pages(options, async (page) => {
      const answer = await connection.unary((call) => connection.hosts.listHosts(page, call), {
        signal: options.signal,
        repeatable: true,
      });
      const items = answer.hosts.map((host) => ({
        id: host.id,
        state: lowerNameOf(HostState, host.state),
        architecture: host.architecture,
        driver: host.driver,
        hardwareIsolated: host.hardwareIsolated,
        vcpus: host.vcpus,
        memoryMib: Number(host.memoryMib),
        diskFreeMib: Number(host.diskFreeMib),
        sandboxes: host.sandboxes,
        seenTime: dateOf(host.seenTime),
        version: host.version,
      }));
      return { items, nextPageToken: answer.nextPageToken };
    });
  }
}
