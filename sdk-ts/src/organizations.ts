import type { Organization as WireOrganization } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import type { Connection } from "./connection.ts";
import { dateOf, defined } from "./convert.ts";
import { type ListOptions, pages } from "./pages.ts";

/** Owns sandboxes and keys; no organization sees another's. */
export interface Organization {
  /** "org_" and [a-z0-9]. */
  readonly id: string;
  readonly name: string;
  /** When it was made. */
  readonly createTime: Date;
  /** What it may have at most. */
  readonly limits: OrganizationLimits;
}

/** What an organization may have at most; no limit where undefined. More is a LimitError (QUOTA_EXCEEDED). */
export interface OrganizationLimits {
  /** Sandboxes that are not deleted. */
  readonly sandboxes?: number | undefined;
  /** vCPUs of all that run, or are being started or ended. */
  readonly vcpus?: number | undefined;
  /** Their memory. */
  readonly memoryMib?: number | undefined;
}

/** Options of `client.organizations.create`. */
export interface CreateOrganizationOptions {
  /** A name for people, 1 to 128 characters. */
  readonly name: string;
  /** The same key again answers with the same organization, without its `apiKey`. Printable ASCII, 128 at most. */
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Manages organizations; at `client.organizations`. Needs scope `admin`. */
export class Organizations {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Makes an organization. `apiKey` is its first key, shown this once; it is empty where the idempotency key was used before.
   * Never repeated behind your back, since the answer's secret would be lost.
   */
  async create(options: CreateOrganizationOptions): Promise<{ organization: Organization; apiKey: string }> {
    const { name, idempotencyKey = "", signal } = options;
    const answer = await this.#connection.unary(
      (call) => this.#connection.organizations.createOrganization({ name, idempotencyKey }, call),
      { signal, repeatable: false },
    );
    return { organization: fromWire(answer.organization), apiKey: answer.apiKey };
  }

  /** Sets its limits in place of those it had. What it has already stays. Throws a NotFoundError where there is none. */
  async setLimits(
    id: string,
    limits: OrganizationLimits,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Organization> {
    const request = { organizationId: id, limits: defined({ ...limits }) };
    const answer = await this.#connection.unary(
      (call) => this.#connection.organizations.setOrganizationLimits(request, call),
      { signal: options.signal, repeatable: true },
    );
    return fromWire(answer.organization);
  }

  /** The organizations by id. */
  list(options: ListOptions = {}): AsyncIterable<Organization> {
    const connection = this.#connection;
    return pages(options, async (page) => {
      const answer = await connection.unary((call) => connection.organizations.listOrganizations(page, call), {
        signal: options.signal,
        repeatable: true,
      });
      return { items: answer.organizations.map(fromWire), nextPageToken: answer.nextPageToken };
    });
  }
}

function fromWire(organization: WireOrganization | undefined): Organization {
  const { id = "", name = "", createTime, limits } = organization ?? {};
  const { sandboxes, vcpus, memoryMib } = limits ?? {};
  return { id, name, createTime: dateOf(createTime), limits: { sandboxes, vcpus, memoryMib } };
}
