/** Calls to one sandbox's processes and files: they name the sandbox in a header, so that no relay has to read a body. */
import type { CallOptions } from "@connectrpc/connect";
import type { Connection } from "./connection.ts";
import { anySignal } from "./signals.ts";

export interface DataCallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly repeatable: boolean;
  readonly timeoutMs?: number | undefined;
}

export class DataPlane {
  readonly connection: Connection;
  readonly headers: Readonly<Record<string, string>>;

  constructor(connection: Connection, sandboxId: string, accessToken: string | undefined) {
    this.connection = connection;
    this.headers = { ...connection.headers(accessToken || undefined), "sandbox-id": sandboxId };
  }

  unary<T>(run: (call: CallOptions) => Promise<T>, options: DataCallOptions): Promise<T> {
    return this.connection.unary(run, { ...options, headers: this.headers });
  }

  /** Options of a stream. It has no deadline: it ends when its signal is aborted. */
  streamCall(signal: AbortSignal): CallOptions {
    return { headers: this.headers, signal };
  }

  /** The caller's signal and the client's. */
  signal(caller: AbortSignal | undefined): AbortSignal {
    return anySignal(caller, this.connection.options.signal) ?? new AbortController().signal;
  }
}
