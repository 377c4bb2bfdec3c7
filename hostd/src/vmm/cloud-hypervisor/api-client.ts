import { Agent, type ClientRequestArgs, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { connectOwned } from "../../host/connect-owned.ts";
import { ChApiError, readChain } from "./api-error.ts";
import type { ChBodies, ChInfo, ChPing } from "./api-types.ts";

export interface ChCallOptions {
  readonly signal: AbortSignal;
  /** How long the answer may take. The VMM does one thing at a time: what is before this call counts too. */
  readonly timeoutMs?: number;
}

/** Larger ones are refused by v53. */
export const MOST_BODY_BYTES = 51_200;
const MOST_ANSWER_BYTES = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 10_000;
const BASE = "/api/v1/";

/**
 * The HTTP server of one VMM, at its unix socket. It takes no chunked bodies, has room for ten connections, and does
 * one request after the other: a ping waits behind a snapshot, so silence is not death. No request is safe to repeat
 * but ping and info; after a time-out the VM's state has to be read anew.
 */
export class ChApi {
  readonly #agent: Agent;

  /** The socket lies where the VMM's user may put what it likes: it must be a socket of `uid`. */
  constructor(path: string, uid: number) {
    this.#agent = new OwnedSocketAgent(path, uid);
  }

  async ping(options: ChCallOptions): Promise<ChPing> {
    return (await this.#call("GET", "vmm.ping", undefined, options)) as ChPing;
  }

  async info(options: ChCallOptions): Promise<ChInfo> {
    return (await this.#call("GET", "vm.info", undefined, options)) as ChInfo;
  }

  async put(endpoint: "vm.boot" | "vm.pause" | "vm.resume", options: ChCallOptions): Promise<void> {
    await this.#call("PUT", endpoint, undefined, options);
  }

  async send<E extends keyof ChBodies>(endpoint: E, body: ChBodies[E], options: ChCallOptions): Promise<void> {
    await this.#call("PUT", endpoint, body, options);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call(method: "GET" | "PUT", endpoint: string, body: unknown, options: ChCallOptions): Promise<unknown> {
    const data = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    if (data !== undefined && data.length > MOST_BODY_BYTES) {
      throw new RangeError(`${endpoint}: ${data.length} bytes; Cloud Hypervisor takes ${MOST_BODY_BYTES}`);
    }
    options.signal.throwIfAborted();
    const ms = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error(`${endpoint}: no answer within ${ms} ms`)), ms);
    const signal = AbortSignal.any([options.signal, timeout.signal]);
    try {
      const { status, text } = await this.#exchange(method, endpoint, data, signal);
      if (status >= 300) {
        throw new ChApiError(endpoint, status, readChain(text));
      }
      return text === "" ? undefined : JSON.parse(text);
    } finally {
      clearTimeout(timer);
    }
  }

  #exchange(method: string, endpoint: string, data: Buffer | undefined, signal: AbortSignal) {
    return new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = {
        Host: "localhost",
        ...(data === undefined ? {} : { "Content-Type": "application/json" }),
        // Always: without it Node would send chunks.
        ...(method === "PUT" ? { "Content-Length": data?.length ?? 0 } : {}),
      };
      const call = request({ agent: this.#agent, method, path: `${BASE}${endpoint}`, headers }, (response) => {
        readAnswer(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      const abort = () => call.destroy(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      call.on("error", (error) => reject(signal.aborted ? signal.reason : error));
      call.on("close", () => signal.removeEventListener("abort", abort));
      // In one piece, and the connection stays open until the answer is there: a half-closed one gets none.
      call.end(data);
    });
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_ANSWER_BYTES) {
      throw new Error(`an answer of more than ${MOST_ANSWER_BYTES} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** One connection, kept: so our calls follow one another as the VMM wants them. */
class OwnedSocketAgent extends Agent {
  readonly #path: string;
  readonly #uid: number;

  constructor(path: string, uid: number) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#path = path;
    this.#uid = uid;
  }

  /** Gives the socket at once: of sockets that come later Node counts none, and makes one for each call. */
  override createConnection(
    _options: ClientRequestArgs,
    done?: (error: Error | null, socket: Socket) => void,
  ): Socket | null {
    try {
      return connectOwned(this.#path, this.#uid);
    } catch (error) {
      done?.(error as Error, undefined as unknown as Socket);
      return null;
    }
  }
}
