import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Host as HostMessage, HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
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
  /** Snapshots on it. */
  readonly snapshots: number;
  /** Deleted sandboxes on it that can still be taken back. */
  readonly tombstones: number;
  /** It takes no new sandboxes, and what it has moves to others. */
  readonly draining: boolean;
  /** Why something on it could not be moved the last time that was tried. */
  readonly obstacle: HostObstacle | undefined;
  /** When it last answered. */
  readonly seenTime: Date;
  /** Release of its daemon. */
  readonly version: string;
}

/** What is in the way of a drain. It is tried again by itself. */
export interface HostObstacle {
  /** Such as "NO_CAPACITY": no other host has room. */
  readonly reason: string;
  /** One sentence. */
  readonly message: string;
}

/** What `client.hosts.remove` may be told. */
export interface RemoveHostOptions {
  /** Also with sandboxes on it, because the machine is gone for good: they become failed with HOST_LOST, and its snapshots go. */
  readonly force?: boolean | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** What `client.hosts.createJoinToken` asks for. */
export interface JoinTokenOptions {
  /** Id that the host will have; of its own choice where absent. */
  readonly hostId?: string | undefined;
  /** How long the token works, milliseconds, a minute to 7 days; an hour where absent. */
  readonly ttlMs?: number | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** A token with which one host may join, once. */
export interface JoinToken {
  /** For `dnah host join`. It is never shown again. */
  readonly token: string;
  /** When it ends. */
  readonly expireTime: Date;
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
      return { items: answer.hosts.map(hostOf), nextPageToken: answer.nextPageToken };
    });
  }

  /** Makes a token with which one host may join, once. Needs scope `admin`. */
  async createJoinToken({ hostId = "", ttlMs, signal }: JoinTokenOptions = {}): Promise<JoinToken> {
    const request = { hostId, ...(ttlMs === undefined ? {} : { ttl: durationFromMs(ttlMs) }) };
    const { token, expireTime } = await this.#connection.unary(
      (call) => this.#connection.hosts.createJoinToken(request, call),
      { signal, repeatable: true },
    );
    return { token, expireTime: dateOf(expireTime) };
  }

  /**
   * Begins to empty a host: no new sandboxes, and what it has moves to others, also what runs. Resolves at once with what is
   * left on it; list shows that later. Needs scope `admin`.
   */
  async drain(hostId: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Host> {
    const call = { signal: options.signal, repeatable: true };
    const { host } = await this.#connection.unary((unary) => this.#connection.hosts.drainHost({ hostId }, unary), call);
    return hostOf(host);
  }

  /** Ends a drain: it takes new sandboxes again. Needs scope `admin`. */
  async undrain(hostId: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Host> {
    const call = { signal: options.signal, repeatable: true };
    const { host } = await this.#connection.unary(
      (unary) => this.#connection.hosts.undrainHost({ hostId }, unary),
      call,
    );
    return hostOf(host);
  }

  /** Forgets a host that has no sandboxes and snapshots any more, or is gone for good. Needs scope `admin`. */
  async remove(hostId: string, { force = false, signal }: RemoveHostOptions = {}): Promise<void> {
    await this.#connection.unary((call) => this.#connection.hosts.removeHost({ hostId, force }, call), {
      signal,
      repeatable: false,
    });
  }
}

function hostOf(host: HostMessage | undefined): Host {
  if (!host) throw new Error("the answer has no host");
  return {
    id: host.id,
    state: lowerNameOf(HostState, host.state),
    architecture: host.architecture,
    driver: host.driver,
    hardwareIsolated: host.hardwareIsolated,
    vcpus: host.vcpus,
    memoryMib: Number(host.memoryMib),
    diskFreeMib: Number(host.diskFreeMib),
    sandboxes: host.sandboxes,
    snapshots: host.snapshots,
    tombstones: host.tombstones,
    draining: host.draining,
    obstacle: host.obstacle && { reason: host.obstacle.reason, message: host.obstacle.message },
    seenTime: dateOf(host.seenTime),
    version: host.version,
  };
}
