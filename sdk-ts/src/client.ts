import { ApiKeys } from "./api-keys.ts";
import { type ClientOptions, resolveOptions } from "./client-options.ts";
import { Connection } from "./connection.ts";
import { Events } from "./events.ts";
import { Hosts } from "./hosts.ts";
import { Snapshots } from "./life/snapshots.ts";
import { Organizations } from "./organizations.ts";
import { Pools } from "./pools.ts";
import { Templates } from "./templates.ts";

/**
 * A platform, and the credential to use it with. Cheap to make; share one where you can, since its calls share a connection.
 *
 * @example
 * const client = new Client({ url: "https://dnah.example.com", apiKey: "dnah_…" });
 * await using sandbox = await Sandbox.create({ client });
 */
export class Client {
  /** Base URL of the platform. */
  readonly url: string;
  /** What happens to your sandboxes. */
  readonly events: Events;
  /** What sandboxes start from. */
  readonly templates: Templates;
  /** VMs that wait for creates. */
  readonly pools: Pools;
  /** What was kept of sandboxes. */
  readonly snapshots: Snapshots;
  /** The machines that run sandboxes. */
  readonly hosts: Hosts;
  /** Whom sandboxes belong to. */
  readonly organizations: Organizations;
  /** Keys of your organization. */
  readonly apiKeys: ApiKeys;
  /** @internal */
  readonly connection: Connection;

  /** Throws a TypeError where the URL is none. Nothing is sent yet. */
  constructor(options: ClientOptions = {}) {
    this.connection = new Connection(resolveOptions(options));
    this.url = this.connection.options.url;
    this.events = new Events(this.connection);
    this.templates = new Templates(this.connection);
    this.pools = new Pools(this.connection);
    this.snapshots = new Snapshots(this.connection);
    this.hosts = new Hosts(this.connection);
    this.organizations = new Organizations(this.connection);
    this.apiKeys = new ApiKeys(this.connection);
  }
}

let shared: Client | undefined;

/** The client of calls that name none: made from the environment when it is first needed. */
export function defaultClient(): Client {
  shared ??= new Client();
  return shared;
}
