/**
 * Calls to one sandbox's processes, files, ports, metrics and logs: they name the sandbox in a header, so that no relay has
 * to read a body. They go straight to its host's edge where that can be reached, else through the control plane.
 */
import type { CallOptions } from "@connectrpc/connect";
import type { Connection } from "../connection.ts";
import { convertError } from "../convert-error.ts";
import { ConflictError, DaytonahError, TimeoutError, UnavailableError } from "../errors.ts";
import { retrying } from "../retry.ts";
import { anySignal } from "../signals.ts";
import type { DataWay } from "./data-way.ts";

export interface DataCallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly repeatable: boolean;
  readonly timeoutMs?: number | undefined;
}

export class DataPlane {
  readonly connection: Connection;
  readonly sandboxId: string;
  #accessToken: string | undefined;
  /** A change of the token that is under way. */
  #rotation: Promise<unknown> | undefined;
  /** Origin of its host's edge, where it is known. */
  directUrl: string | undefined;

  constructor(connection: Connection, sandboxId: string, accessToken?: string, directUrl?: string) {
    this.connection = connection;
    this.sandboxId = sandboxId;
    this.#accessToken = accessToken;
    this.directUrl = directUrl;
    // The look at the edge is over before the first call, as a rule.
    if (connection.options.direct !== "never" && this.#edge) connection.directWays.usable(this.#edge);
  }

  /** The sandbox's own credential; the API key is used where absent. */
  get accessToken(): string | undefined {
    return this.#accessToken;
  }

  /** Takes a new one from the platform, which ends what came with the old one. */
  async changeToken(rotate: () => Promise<string>): Promise<string> {
    const rotation = rotate();
    this.#rotation = rotation.catch(() => undefined);
    this.#accessToken = await rotation;
    return this.#accessToken;
  }

  get headers(): Record<string, string> {
    return { ...this.connection.headers(this.accessToken), "sandbox-id": this.sandboxId };
  }

  /** The best way now. An edge takes the sandbox's token alone, never an API key. */
  async way(): Promise<DataWay> {
    const { controlPlane, directWays, options } = this.connection;
    if (options.direct === "never") return controlPlane;
    const url = this.#edge;
    if (options.direct === "auto") return (url && directWays.usable(url)) || controlPlane;
    if (!url) throw noDirectPath(this.sandboxId);
    const way = await directWays.awaited(url);
    if (!way) throw edgeSilent(url);
    return way;
  }

  /** True where a call that failed is to be made again at once: with another token, or on another way. */
  async makesAnew(way: DataWay, error: unknown, token: string | undefined, repeatable: boolean): Promise<boolean> {
    if (error instanceof DaytonahError && error.reason === "CREDENTIAL_INVALID") {
      await this.#rotation;
      if (this.#accessToken !== token) return true;
    }
    return this.#leaves(way, error, repeatable);
  }

  /** Where the edge may be reached with a token that is known. What is at the platform's loopback is not at ours. */
  get #edge(): string | undefined {
    const { directUrl } = this;
    if (!this.#accessToken || !directUrl) return undefined;
    return isLoopback(directUrl) && !isLoopback(this.connection.options.url) ? undefined : directUrl;
  }

  #leaves(way: DataWay, error: unknown, repeatable: boolean): boolean {
    const { directWays, options } = this.connection;
    if (!directWays.includes(way) || !(error instanceof DaytonahError)) return false;
    if (error instanceof TimeoutError) return false;
    if (error.reason !== undefined && !hasMoved(error)) return false;
    if (!hasMoved(error)) directWays.failed(way);
    if (options.direct !== "auto") return false;
    if (hasMoved(error)) this.directUrl = undefined; // this sandbox's alone; the next description of it tells the new one
    return repeatable || wasNeverSent(error);
  }

  /** Makes a call that has one answer. */
  unary<T>(run: (way: DataWay, call: CallOptions) => Promise<T>, options: DataCallOptions): Promise<T> {
    const attempt = (call: CallOptions) =>
      this.#onBestWay(options.repeatable, async (way) => {
        try {
          return await run(way, { ...call, headers: this.headers });
        } catch (error) {
          throw convertError(error, call.signal);
        }
      });
    return this.connection.unary(attempt, options);
  }

  /** Does what is no call, and may be repeated. `run` throws this package's errors. */
  repeating<T>(signal: AbortSignal, run: (way: DataWay) => Promise<T>): Promise<T> {
    return retrying(this.connection.options.retry, { signal, repeatable: true }, () => this.#onBestWay(true, run));
  }

  /** The caller's signal and the client's. */
  signal(caller: AbortSignal | undefined): AbortSignal {
    return anySignal(caller, this.connection.options.signal) ?? new AbortController().signal;
  }

  async #onBestWay<T>(repeatable: boolean, run: (way: DataWay) => Promise<T>): Promise<T> {
    const way = await this.way();
    const token = this.#accessToken;
    try {
      return await run(way);
    } catch (error) {
      if (!(await this.makesAnew(way, error, token, repeatable))) throw error;
      return await run(await this.way());
    }
  }
}

function isLoopback(url: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
}

/**
 * An edge does not tell strangers what it has: to it, the token of a sandbox that moved on is one of no sandbox. Until its old
 * host has given it up, it is paused there.
 */
const refusals: readonly unknown[] = ["SANDBOX_NOT_FOUND", "CREDENTIAL_INVALID", "SANDBOX_PAUSED"];

/** A sandbox that is no longer where it was asked for, or has just left. */
function hasMoved({ reason, metadata }: DaytonahError): boolean {
  return refusals.includes(reason) || reason === "SANDBOX_STATE_CONFLICT" || metadata.state === "moved";
}

/** A call that was refused did nothing; a connection that was never made carried nothing. */
function wasNeverSent(error: DaytonahError): boolean {
  if (refusals.includes(error.reason)) return true;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && ["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND"].includes(String(cause.code))) {
      return true;
    }
  }
  return false;
}

function noDirectPath(sandboxId: string): ConflictError {
  return new ConflictError(
    `Sandbox ${sandboxId} can't be reached directly: its access token or direct URL is missing.`,
    {
      code: "failed_precondition",
      nextStep: 'Give `accessToken` and `directUrl` to Sandbox.connect, or use a client with direct: "auto".',
    },
  );
}

function edgeSilent(url: string): UnavailableError {
  return new UnavailableError(`The host's edge at ${url} can't be reached from here.`, {
    code: "unavailable",
    nextStep: 'Use a client with direct: "auto", which goes through the control plane then.',
  });
}
