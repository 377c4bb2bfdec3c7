/** What a new sandbox starts from: a template, or a snapshot with the size that it has. */
import { fieldProblem } from "@daytonah/lib/problem.ts";
import type { Origin } from "../db/sandboxes.ts";
import type { DbOrTx } from "../db/schema.ts";
import { lockReadySnapshot, type SnapshotRow } from "../db/snapshots.ts";
import { lockTemplate } from "../db/templates.ts";
import type { PlacementRequest, Size } from "../domain/placement.ts";
import { snapshotNotFound } from "./sandbox-problems.ts";

export interface Source {
  readonly placement: PlacementRequest;
  readonly origin?: Origin;
}

export interface SourceRequest {
  readonly orgId: string;
  /** Empty: "base". */
  readonly template: string;
  /** Empty: from a template. */
  readonly snapshotId: string;
  /** 0 where the caller asked for nothing. */
  readonly size: Size;
}

/** A snapshot stays until the transaction ends, and then as long as the sandbox is being made. */
export async function sourceOf(tx: DbOrTx, request: SourceRequest): Promise<Source> {
  const { orgId, template, snapshotId, size } = request;
  if (snapshotId === "") return (await ownTemplate(tx, request)) ?? { placement: templateOf(request) };
  if (template !== "") throw fieldProblem("template", "must be empty beside snapshot_id.");
  const snapshot = await lockReadySnapshot(tx, orgId, snapshotId);
  if (!snapshot) throw snapshotNotFound(snapshotId);
  return sourceFrom(snapshot, size);
}

/** One that the organization made: it is restored from its snapshot. */
async function ownTemplate(tx: DbOrTx, { orgId, template, size }: SourceRequest): Promise<Source | undefined> {
  const snapshotId = template === "" ? undefined : await lockTemplate(tx, orgId, template);
  const snapshot = snapshotId === undefined ? undefined : await lockReadySnapshot(tx, orgId, snapshotId);
  if (!snapshot) return undefined;
  const { placement } = sourceFrom(snapshot, size);
  return { placement: { ...placement, template }, origin: { snapshotId: snapshot.id, forked: false } };
}

/** What is meant where nothing was asked for. */
export function templateOf({ template, size }: Pick<SourceRequest, "template" | "size">): PlacementRequest {
  const { vcpus, memoryMib, diskMib } = size;
  return { template: template || "base", vcpus: vcpus || 1, memoryMib: memoryMib || 512, diskMib };
}

function sourceFrom(snapshot: SnapshotRow, asked: Size): Source {
  const placement = placementOf(snapshot);
  for (const [name, field] of [
    ["vcpus", "resources.vcpus"],
    ["memoryMib", "resources.memory_mib"],
    ["diskMib", "resources.disk_mib"],
  ] as const) {
    if (asked[name] === 0 || asked[name] === placement[name]) continue;
    throw fieldProblem(field, `must be empty or ${placement[name]}: what is restored has that size.`);
  }
  return { placement, origin: { parentId: snapshot.sandbox_id, snapshotId: snapshot.id, forked: false } };
}

/** On the host that has it. */
export function placementOf(snapshot: SnapshotRow): PlacementRequest {
  const { template, vcpus, memory_mib: memoryMib, disk_mib: diskMib, host_id } = snapshot;
  return { template, vcpus, memoryMib, diskMib, hostIds: host_id === null ? [] : [host_id] };
}
