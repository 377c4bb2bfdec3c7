/** Where the platform is and who calls: from the caller, else (in Node) from the environment, else the defaults. */

import type { Transport } from "@connectrpc/connect";

/** Options of a {@link Client}. */
export interface ClientOptions {
  /** Base URL of the platform. Else the variable DNAH_URL, else `http://127.0.0.1:3000`. */
  readonly url?: string | undefined;
  /** API key. Else the variable DNAH_API_KEY. Do not ship one to a browser: give pages a sandbox's `accessToken`. */
  readonly apiKey?: string | undefined;
  /** Aborts every call of this client. */
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the answer of one call, milliseconds; 60,000 where absent. Streams of output and files have no limit. */
  readonly timeoutMs?: number | undefined;
  /** How often a call that is safe to repeat is repeated where the platform does not answer; 4 where absent. */
  readonly maxRetries?: number | undefined;
  /** Wait before the first repeat, milliseconds; 100 where absent. It doubles each time up to 3 s. */
  readonly retryDelayMs?: number | undefined;
  /** Node only. "1.1" for a server or proxy without HTTP/2; "2" where absent. */
  readonly httpVersion?: "1.1" | "2" | undefined;
  /**
   * Whether calls to a sandbox's processes, files and ports go straight to its host: "auto" (where absent) where the host can
   * be reached from here, with a fall back to the control plane; "never"; or "always", which fails where it can't be reached.
   */
  readonly direct?: "auto" | "never" | "always" | undefined;
  /** A Connect transport of your own, in place of the one to `url`. Then `direct` is "never" where absent. */
  readonly transport?: Transport | undefined;
}

export interface ResolvedOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly retry: { readonly maxRetries: number; readonly baseDelayMs: number };
  readonly httpVersion: "1.1" | "2";
  readonly direct: "auto" | "never" | "always";
  readonly transport: Transport | undefined;
}

export function resolveOptions(options: ClientOptions): ResolvedOptions {
  const url = options.url ?? environment("DNAH_URL") ?? "http://127.0.0.1:3000";
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new TypeError(`The platform's URL is ${JSON.stringify(url)}; it must begin with http:// or https://.`);
  }
  return {
    url: url.replace(/\/+$/, ""),
    apiKey: options.apiKey ?? environment("DNAH_API_KEY"),
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? 60_000,
    retry: { maxRetries: options.maxRetries ?? 4, baseDelayMs: options.retryDelayMs ?? 100 },
    httpVersion: options.httpVersion ?? "2",
    direct: options.direct ?? (options.transport ? "never" : "auto"),
    transport: options.transport,
  };
}

function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}
