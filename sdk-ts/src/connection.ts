/** The RPC clients of one platform, and what every call shares: credential, deadline, retries and typed errors. */
import { type CallOptions, createClient, type Client as RpcClient } from "@connectrpc/connect";
import { EventService } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { TemplateService } from "@daytonah/gen/daytonah/v1/template_pb.ts";
import { createTransport } from "#transport";
import type { ResolvedOptions } from "./client-options.ts";
import { convertError } from "./convert-error.ts";
import { createDataWay, type DataWay } from "./data-plane/data-way.ts";
import { DirectWays } from "./data-plane/direct-ways.ts";
import { retrying } from "./retry.ts";
import { anySignal } from "./signals.ts";

export interface UnaryOptions {
  readonly signal?: AbortSignal | undefined;
  /** The client's own where absent. */
  readonly timeoutMs?: number | undefined;
  /** The API key's where absent. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Only for a call that changes nothing when it is repeated. */
  readonly repeatable: boolean;
}

export class Connection {
  readonly options: ResolvedOptions;
  readonly sandboxes: RpcClient<typeof SandboxService>;
  readonly pools: RpcClient<typeof PoolService>;
  readonly events: RpcClient<typeof EventService>;
  readonly snapshots: RpcClient<typeof SnapshotService>;
  readonly templates: RpcClient<typeof TemplateService>;
  readonly hosts: RpcClient<typeof HostService>;
  readonly organizations: RpcClient<typeof OrganizationService>;
  readonly apiKeys: RpcClient<typeof ApiKeyService>;
  /** The way to the data plane that is always there. */
  readonly controlPlane: DataWay;
  /** The ways that may be shorter. */
  readonly directWays: DirectWays;

  constructor(options: ResolvedOptions) {
    this.options = options;
    const { url: baseUrl, httpVersion } = options;
    const transport = options.transport ?? createTransport({ baseUrl, httpVersion });
    this.sandboxes = createClient(SandboxService, transport);
    this.pools = createClient(PoolService, transport);
    this.events = createClient(EventService, transport);
    this.snapshots = createClient(SnapshotService, transport);
    this.templates = createClient(TemplateService, transport);
    this.hosts = createClient(HostService, transport);
    this.organizations = createClient(OrganizationService, transport);
    this.apiKeys = createClient(ApiKeyService, transport);
    this.controlPlane = createDataWay(baseUrl, transport);
    this.directWays = new DirectWays((url) => createDataWay(url, createTransport({ baseUrl: url, httpVersion })));
  }

  /** Headers of a call with this credential, the API key where absent. */
  headers(credential: string | undefined = this.options.apiKey): Record<string, string> {
    return credential ? { authorization: `Bearer ${credential}` } : {};
  }

  /** Makes a call that has one answer. */
  async unary<T>(run: (options: CallOptions) => Promise<T>, options: UnaryOptions): Promise<T> {
    const signal = anySignal(options.signal, this.options.signal);
    const { timeoutMs = this.options.timeoutMs, headers = this.headers() } = options;
    const attempt = async () => {
      try {
        signal?.throwIfAborted();
        return await run({ headers, timeoutMs, ...(signal ? { signal } : {}) });
      } catch (error) {
        throw convertError(error, signal);
      }
    };
    return retrying(this.options.retry, { signal, repeatable: options.repeatable }, attempt);
  }
}
