/** The tables, as kysely sees them. Migrations make them; db/schema.sql shows them. */
import type { ColumnType, Generated, Kysely, Transaction } from "kysely";
import type { Lifecycle } from "../domain/lifecycle.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import type { Scope } from "../domain/scope.ts";
import type { SnapshotState } from "../domain/snapshot-state.ts";

export type Db = Kysely<Tables>;
export type DbOrTx = Db | Transaction<Tables>;

export interface Tables {
  readonly organizations: OrganizationsTable;
  readonly api_keys: ApiKeysTable;
  readonly hosts: HostsTable;
  readonly host_loads: HostLoadsTable;
  readonly join_tokens: JoinTokensTable;
  readonly platform_keys: PlatformKeysTable;
  readonly sandboxes: SandboxesTable;
  readonly snapshots: SnapshotsTable;
  readonly templates: TemplatesTable;
  readonly transfer_failures: TransferFailuresTable;
  readonly pools: PoolsTable;
  readonly pool_demand: PoolDemandTable;
  readonly events: EventsTable;
  readonly idempotency: IdempotencyTable;
}

/** Set by the database, read as a Date of whole milliseconds. */
type SetTime = ColumnType<Date, Date | undefined, Date>;
/** node-postgres gives bigint as text. */
type Bigint = ColumnType<string, string | number, string | number>;
type Json<T> = ColumnType<T, string, string>;

interface OrganizationsTable {
  readonly id: string;
  readonly name: string;
  readonly create_time: SetTime;
  readonly max_sandboxes: number | null;
  readonly max_vcpus: number | null;
  readonly max_memory_mib: number | null;
}

interface ApiKeysTable {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly hash: Buffer;
  readonly prefix: string;
  readonly scopes: ColumnType<Scope[], readonly Scope[], never>;
  readonly create_time: SetTime;
  readonly revoke_time: Date | null;
}

interface HostsTable {
  readonly id: string;
  readonly state: "ready" | "unreachable";
  readonly architecture: string;
  readonly driver: string;
  readonly hardware_isolated: boolean;
  readonly vcpus: number;
  readonly memory_mib: Bigint;
  readonly disk_free_mib: Bigint;
  readonly templates: Json<readonly HostTemplateRow[]>;
  readonly version: string;
  readonly instance_id: string;
  readonly seen_time: SetTime;
  readonly vm_overhead_mib: Generated<number>;
  /** Empty where it has no edge. */
  readonly edge_url: Generated<string>;
  /** It takes no new sandboxes, and what it has moves away. */
  readonly draining: Generated<boolean>;
  /** Why something on it could not be moved the last time. */
  readonly obstacle_reason: string | null;
  readonly obstacle_message: string | null;
  /** A sandbox with memory moves only between hosts of the same class. */
  readonly cpu_class: Generated<string>;
  readonly memory_shared: Generated<boolean>;
  readonly disk_shared: Generated<boolean>;
  /** MiB of each template's root disk, by name: what a placement asks of `templates`. */
  readonly template_disks: ColumnType<Readonly<Record<string, number>>, string | undefined, string>;
  /** Origin of its daemon; empty for one that never joined. */
  readonly url: Generated<string>;
  /** Its name in its certificate. */
  readonly tls_name: Generated<string>;
  /** Until then a server renews its certificate. */
  readonly certificate_claim_until: Date | null;
  /** Until then, and a little longer, its VMs may run. */
  readonly lease_until: Date | null;
}

interface JoinTokensTable {
  readonly hash: Buffer;
  /** Empty: the host chooses. */
  readonly host_id: string;
  readonly expire_time: Date;
  /** Null until it is used. */
  readonly used_host_id: string | null;
  readonly used_key_digest: Buffer | null;
  readonly used_tls_name: string | null;
}

interface PlatformKeysTable {
  readonly only_row: Generated<boolean>;
  readonly sealed: Buffer;
}

/** What is spoken for on a host. Written by triggers on sandboxes: see migrations/0005-host-loads.ts. */
interface HostLoadsTable {
  readonly host_id: string;
  readonly vcpus_offered: number;
  readonly memory_offered_mib: Bigint;
  readonly vm_overhead_mib: number;
  readonly sandboxes: number;
  /** Those that hold memory and processors. */
  readonly vms: number;
  readonly vcpus: number;
  readonly memory_mib: Bigint;
  /** Of disks that are still being made. */
  readonly disk_mib: Bigint;
  readonly free_share: number;
}

export interface HostTemplateRow {
  readonly name: string;
  readonly digest: string;
  readonly diskMib: number;
  readonly description: string;
  readonly packages: Readonly<Record<string, string>>;
}

interface SandboxesTable {
  readonly id: string;
  /** Null for a VM of a pool, which is nobody's yet. */
  readonly org_id: string | null;
  readonly state: SandboxState;
  readonly epoch: Bigint;
  readonly template: string;
  readonly vcpus: number;
  readonly memory_mib: number;
  readonly disk_mib: number;
  readonly metadata: Json<Readonly<Record<string, string>>>;
  /** For StartVm, also after a crash. Null as soon as it is not needed: it may hold secrets. */
  readonly env: Json<Readonly<Record<string, string>>> | null;
  /** Null where it holds nothing on any host. */
  readonly host_id: string | null;
  readonly hardware_isolated: boolean;
  /** Its creator can find it again: a crash repair finishes it instead of deleting it. */
  readonly keyed: boolean;
  readonly token_generation: Generated<number>;
  readonly failure_reason: string | null;
  readonly failure_message: string | null;
  readonly claim_until: Date | null;
  readonly create_time: SetTime;
  readonly state_time: SetTime;
  readonly public_ports: ColumnType<number[], never, readonly number[]>;
  /** Counts the changes to who may reach it. */
  readonly access_version: Generated<number>;
  /** The last of them that its host was told of: the first comes with its start. */
  readonly access_told: Generated<number>;
  /** For paused: it goes on where it was. */
  readonly memory_kept: Generated<boolean>;
  /** Null: it never ends. */
  readonly timeout_ms: Bigint | null;
  /** When that is over. While it is paused it says nothing: the next start counts anew. */
  readonly end_time: Date | null;
  readonly on_timeout: Generated<Lifecycle["onTimeout"]>;
  readonly idle_timeout_ms: Bigint | null;
  readonly auto_resume: Generated<boolean>;
  /** Counts the changes to these, as access_version does. */
  readonly lifecycle_version: Generated<number>;
  readonly lifecycle_told: Generated<number>;
  /** The sandbox it was forked from, or whose snapshot it was made from. */
  readonly parent_id: string | null;
  /** The snapshot it was made from. */
  readonly snapshot_id: string | null;
  /** The same for a fork: the internal snapshot of its parent, which all children of the call share. */
  readonly fork_id: string | null;
  /** For deleting and deleted: until when its host keeps what it had. Null: nothing is kept. */
  readonly purge_time: Date | null;
  /** For resuming: the snapshot that it is put back to. */
  readonly roll_back_to: string | null;
  /** The pool it waits in; while it is being created: the one it was claimed from, so that its VM is there already. */
  readonly pool_id: string | null;
  /** Of its template when a pool's VM was started. */
  readonly template_digest: string | null;
  /** It moves to another host: see docs/many-hosts.md. */
  readonly transfer: "copying" | "landing" | "resuming" | null;
  /** Where it is copied to; for landing: the host that has the copy which is to go. */
  readonly transfer_host_id: string | null;
  /** It ran, and is to run again. */
  readonly transfer_resume: Generated<boolean>;
  /** Of the copy, or of the last one there was. */
  readonly transfer_epoch: ColumnType<string, string | undefined, string>;
  readonly transfer_claim_until: Date | null;
}

interface SnapshotsTable {
  readonly id: string;
  readonly org_id: string;
  readonly name: string;
  readonly sandbox_id: string;
  readonly sandbox_epoch: Bigint;
  /** Null for one that is deleted, and whose host was removed. */
  readonly host_id: string | null;
  readonly state: SnapshotState;
  /** Of a fork: nobody sees it, and it goes as soon as the children run. */
  readonly internal: boolean;
  /** Its creator can find it again: a crash repair finishes it instead of deleting it. */
  readonly keyed: boolean;
  readonly template: string;
  readonly vcpus: number;
  readonly memory_mib: number;
  readonly disk_mib: number;
  readonly metadata: Json<Readonly<Record<string, string>>>;
  readonly size_bytes: ColumnType<string, string | undefined, string>;
  readonly memory_kept: Generated<boolean>;
  readonly claim_until: Date | null;
  readonly create_time: SetTime;
  /** Taken for this template, which stands on it from when it is ready until another one has the name. */
  readonly template_name: string | null;
  readonly template_description: string | null;
  /** It moves to another host, as a sandbox does. */
  readonly transfer: "copying" | "landing" | null;
  readonly transfer_host_id: string | null;
  readonly transfer_claim_until: Date | null;
}

/** What could not be moved to another host. */
interface TransferFailuresTable {
  /** Of a sandbox or a snapshot. */
  readonly id: string;
  readonly failures: number;
  readonly retry_time: Date;
  readonly refused_by: ColumnType<string[], readonly string[], readonly string[]>;
}

interface TemplatesTable {
  readonly org_id: string;
  readonly name: string;
  readonly description: string;
  readonly snapshot_id: string;
  readonly create_time: SetTime;
}

interface PoolsTable {
  readonly id: string;
  readonly template: string;
  readonly vcpus: number;
  readonly memory_mib: number;
  /** 0: the template's own. */
  readonly disk_mib: number;
  readonly min_ready: number;
  readonly max_ready: number;
  readonly demand_window_ms: Bigint;
  /** Without those of pool_demand. */
  readonly hits: Generated<string>;
  readonly misses: Generated<string>;
  /** No VM is started for it before. */
  readonly fill_after: SetTime;
}

/** Creates that a pool could have served, while they are within its window. */
interface PoolDemandTable {
  readonly pool_id: string;
  readonly time: Date;
  readonly hit: boolean;
}

interface EventsTable {
  readonly id: Generated<string>;
  readonly org_id: string;
  readonly sandbox_id: string;
  readonly kind: string;
  readonly epoch: Bigint;
  readonly data: Json<Readonly<Record<string, string>>>;
  readonly time: SetTime;
  /** Its place in the log; null until it has one. Only db/events.ts writes it. */
  readonly position: ColumnType<string | null, never, never>;
}

interface IdempotencyTable {
  readonly org_id: string;
  readonly rpc: string;
  readonly key: string;
  readonly request_digest: Buffer;
  readonly result_id: string;
  readonly create_time: SetTime;
}
