import { type Snapshot as WireSnapshot, SnapshotState as WireState } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import type { Connection } from "../connection.ts";
import { dateOf, type LowerName, lowerNameOf } from "../convert.ts";
import { type ListOptions, pages } from "../pages.ts";
import type { StageTime } from "./stage-time.ts";

/** One instant of a sandbox, memory and disk, kept for as long as it is wanted. */
export interface Snapshot {
  /** "snap_" and 20 of [a-z0-9]; what `Sandbox.create({ snapshotId })` takes. */
  readonly id: string;
  /** Your name for it; may be empty, and others may have the same. */
  readonly name: string;
  /** The sandbox it was taken of; it may be gone by now. */
  readonly sandboxId: string;
  /** "creating", "ready" or "deleting"; "unknown" is newer than this package. */
  readonly state: LowerName<typeof WireState>;
  /** Name of the sandbox's template. */
  readonly template: string;
  /** Virtual CPUs of sandboxes made from it. */
  readonly vcpus: number;
  /** Memory of them, MiB. */
  readonly memoryMib: number;
  /** Root disk of them, MiB. */
  readonly diskMib: number;
  /** Your labels. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was asked for. */
  readonly createTime: Date;
  /** What it takes on its host's disk, as far as nothing else shares it. */
  readonly sizeBytes: number;
  /** Whether memory is in it; without, sandboxes made from it start from the disk. */
  readonly memoryKept: boolean;
  /** Host that has it. */
  readonly hostId: string;
  /** The template that stands on it; undefined where none does. Delete that first. */
  readonly templateName: string | undefined;
  /** How long each stage of `sandbox.snapshot()` took; empty where it was there already, and after `get` and `list`. */
  readonly stages: readonly StageTime[];
}

/** Options of `client.snapshots.list`. */
export interface ListSnapshotsOptions extends ListOptions {
  /** Only those of this sandbox. */
  readonly sandboxId?: string | undefined;
}

/** Snapshots of your organization; at `client.snapshots`. `sandbox.snapshot()` takes one. */
export class Snapshots {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** One snapshot. Throws a NotFoundError (SNAPSHOT_NOT_FOUND) where there is none. Needs scope `sandboxes:read`. */
  async get(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Snapshot> {
    const { snapshots } = this.#connection;
    const answer = await this.#connection.unary((call) => snapshots.getSnapshot({ snapshotId: id }, call), {
      signal: options.signal,
      repeatable: true,
    });
    return snapshotOf(answer.snapshot);
  }

  /** The snapshots, newest first. Needs scope `sandboxes:read`. */
  list(options: ListSnapshotsOptions = {}): AsyncIterable<Snapshot> {
    const connection = this.#connection;
    const { sandboxId = "", signal } = options;
    return pages(options, async (page) => {
      const answer = await connection.unary(
        (call) => connection.snapshots.listSnapshots({ ...page, sandboxId }, call),
        { signal, repeatable: true },
      );
      return { items: answer.snapshots.map((snapshot) => snapshotOf(snapshot)), nextPageToken: answer.nextPageToken };
    });
  }

  /**
   * Deletes a snapshot; sandboxes made from it stay whole. Throws a NotFoundError where it is gone already, a ConflictError
   * (RESOURCE_IN_USE) where a template stands on it. Needs scope `sandboxes:write`.
   */
  async delete(id: string, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { snapshots } = this.#connection;
    await this.#connection.unary((call) => snapshots.deleteSnapshot({ snapshotId: id }, call), {
      signal: options.signal,
      repeatable: false,
    });
  }
}

export function snapshotOf(snapshot: WireSnapshot | undefined, stages: readonly StageTime[] = []): Snapshot {
  if (!snapshot) throw new TypeError("The platform's answer lacks the snapshot.");
  const { id, name, sandboxId, template, resources, metadata, memoryKept, hostId } = snapshot;
  return {
    ...{ id, name, sandboxId, template, metadata, memoryKept, hostId, stages },
    state: lowerNameOf(WireState, snapshot.state),
    vcpus: resources?.vcpus ?? 0,
    memoryMib: resources?.memoryMib ?? 0,
    diskMib: resources?.diskMib ?? 0,
    createTime: dateOf(snapshot.createTime),
    sizeBytes: Number(snapshot.sizeBytes),
    templateName: snapshot.templateName || undefined,
  };
}
