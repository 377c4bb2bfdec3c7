import { ApiKeyFormat, type ApiKey as WireApiKey } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import type { Connection } from "./connection.ts";
import { dateOf } from "./convert.ts";
import { type ListOptions, pages } from "./pages.ts";

/** What a key may do. */
export type Scope = "sandboxes:read" | "sandboxes:write" | "keys:write" | "admin";

/** An API key, without its secret. */
export interface ApiKey {
  /** "key_" and [a-z0-9]. */
  readonly id: string;
  readonly name: string;
  /** First characters of the secret, to tell keys apart. */
  readonly prefix: string;
  /** What it may do. */
  readonly scopes: readonly Scope[];
  /** When it was made. */
  readonly createTime: Date;
}

/** Options of `client.apiKeys.create`. */
export interface CreateApiKeyOptions {
  /** A name for people, 1 to 128 characters. */
  readonly name: string;
  /** Not more than the calling key has; `sandboxes:read` and `sandboxes:write` where absent. */
  readonly scopes?: readonly Scope[] | undefined;
  /** How the secret looks: "dnah_" (default) or, for clients that check for it, "e2b_" and 40 hex digits. */
  readonly format?: "dnah" | "e2b" | undefined;
  /** The same key again answers with the same API key, without its secret. Printable ASCII, 128 at most. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Manages the keys of your organization; at `client.apiKeys`. Needs scope `keys:write`. */
export class ApiKeys {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Makes a key. `secret` is shown this once; it is empty where the idempotency key was used before.
   * Never repeated behind your back, since the secret would be lost.
   */
  async create(options: CreateApiKeyOptions): Promise<{ apiKey: ApiKey; secret: string }> {
    const { name, scopes = [], format = "dnah", idempotencyKey = "", signal } = options;
    const request = {
      name,
      scopes: [...scopes],
      format: format === "e2b" ? ApiKeyFormat.E2B : ApiKeyFormat.DNAH,
      idempotencyKey,
    };
    const answer = await this.#connection.unary((call) => this.#connection.apiKeys.createApiKey(request, call), {
      signal,
      repeatable: false,
    });
    return { apiKey: fromWire(answer.apiKey), secret: answer.secret };
  }

  /** The keys, newest first. */
  list(options: ListOptions = {}): AsyncIterable<ApiKey> {
    const connection = this.#connection;
    return pages(options, async (page) => {
      const answer = await connection.unary((call) => connection.apiKeys.listApiKeys(page, call), {
        signal: options.signal,
        repeatable: true,
      });
      return { items: answer.apiKeys.map(fromWire), nextPageToken: answer.nextPageToken };
    });
  }

  /** Ends a key at once. Throws a NotFoundError where there is none, or it was revoked before. */
  async revoke(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#connection.unary((call) => this.#connection.apiKeys.revokeApiKey({ apiKeyId: id }, call), {
      signal: options.signal,
      repeatable: false,
    });
  }
}

function fromWire(key: WireApiKey | undefined): ApiKey {
  const { id = "", name = "", prefix = "", scopes = [], createTime } = key ?? {};
  return { id, name, prefix, scopes: scopes as Scope[], createTime: dateOf(createTime) };
}
