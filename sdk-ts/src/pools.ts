import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { PoolStatus as WireStatus } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import type { Connection } from "./connection.ts";

/** Which creates a pool serves: those of exactly this template and size. */
export interface PoolSize {
  /** Name of the template; "base" where absent. */
  readonly template?: string | undefined;
  /** Virtual CPUs; 1 where absent. */
  readonly vcpus?: number | undefined;
  /** Memory, MiB; 512 where absent. */
  readonly memoryMib?: number | undefined;
  /** Root disk, MiB; the template's size where absent. */
  readonly diskMib?: number | undefined;
}

/** What `client.pools.set` sets. */
export interface PoolOptions extends PoolSize {
  /** At least so many VMs wait, over all hosts. */
  readonly minReady: number;
  /** At most so many; where more than `minReady`, demand decides between the two. */
  readonly maxReady?: number | undefined;
  /** Demand: as many wait as creates came within this time, milliseconds; 2 minutes where absent. */
  readonly demandWindowMs?: number | undefined;
}

/** A warm pool as it is. */
export interface Pool {
  /** Name of the template. */
  readonly template: string;
  /** Virtual CPUs. */
  readonly vcpus: number;
  /** Memory, MiB. */
  readonly memoryMib: number;
  /** Root disk, MiB; 0: the template's size. */
  readonly diskMib: number;
  /** At least so many wait. */
  readonly minReady: number;
  /** At most so many wait. */
  readonly maxReady: number;
  /** The time whose creates are its demand, milliseconds. */
  readonly demandWindowMs: number;
  /** How many should wait now. */
  readonly wanted: number;
  /** VMs that wait. */
  readonly ready: number;
  /** VMs that are being started. */
  readonly filling: number;
  /** Creates served by it. */
  readonly hits: number;
  /** Creates that found it empty. */
  readonly misses: number;
}

/** Warm pools: VMs that run before anybody asks for them; at `client.pools`. Needs scope `admin`. */
export class Pools {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The pools, by template and size. */
  async list(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly Pool[]> {
    const { pools } = await this.#connection.unary((call) => this.#connection.pools.listPools({}, call), {
      signal: options.signal,
      repeatable: true,
    });
    return pools.map(poolOf);
  }

  /** Makes the pool of a template and size, or changes its policy. */
  async set(options: PoolOptions & { readonly signal?: AbortSignal | undefined }): Promise<Pool> {
    const { minReady, maxReady = 0, demandWindowMs } = options;
    const window = demandWindowMs === undefined ? {} : { demandWindow: durationFromMs(demandWindowMs) };
    const request = { pool: { ...keyOf(options), minReady, maxReady, ...window } };
    const { status } = await this.#connection.unary((call) => this.#connection.pools.setPool(request, call), {
      signal: options.signal,
      repeatable: true,
    });
    return poolOf(status as WireStatus);
  }

  /** Ends a pool; the VMs that wait in it are deleted. Throws a NotFoundError where there is none of this size. */
  async delete(options: PoolSize & { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#connection.unary((call) => this.#connection.pools.deletePool(keyOf(options), call), {
      signal: options.signal,
      repeatable: false,
    });
  }
}

function keyOf({ template = "", vcpus = 0, memoryMib = 0, diskMib = 0 }: PoolSize) {
  return { template, resources: { vcpus, memoryMib, diskMib } };
}

function poolOf({ pool, wanted, ready, filling, hits, misses }: WireStatus): Pool {
  return {
    template: pool?.template ?? "",
    vcpus: pool?.resources?.vcpus ?? 0,
    memoryMib: pool?.resources?.memoryMib ?? 0,
    diskMib: pool?.resources?.diskMib ?? 0,
    minReady: pool?.minReady ?? 0,
    maxReady: pool?.maxReady ?? 0,
    demandWindowMs: pool?.demandWindow ? durationMs(pool.demandWindow) : 0,
    ...{ wanted, ready, filling, hits: Number(hits), misses: Number(misses) },
  };
}
