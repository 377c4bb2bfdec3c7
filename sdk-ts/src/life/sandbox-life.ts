/** The calls that move a sandbox as a whole: pause, resume, snapshot, fork, roll back, its time. */
import type { LineageEntry } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SandboxState as WireState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Connection } from "../connection.ts";
import { dateOf, defined, lowerNameOf } from "../convert.ts";
import { errorOfReason } from "../convert-error.ts";
import { randomId } from "../random-id.ts";
import { type SandboxInfo, sandboxInfoOf } from "../sandbox-types.ts";
import type { ForkOptions, LifeOptions, Lineage, Relative, SnapshotOptions } from "./life-types.ts";
import { durationOf, lifecycleToWire } from "./lifecycle.ts";
import { type Snapshot, snapshotOf } from "./snapshots.ts";
import { stageTimesOf } from "./stage-time.ts";

/** Longer than the platform's own limits for what a host does. */
export const lifeTimeoutMs = 120_000;

/** All of these may be repeated: each has an idempotency key of its own. */
function unaryOptions({ signal, timeoutMs = lifeTimeoutMs }: LifeOptions) {
  return { signal, timeoutMs, repeatable: true };
}

export async function pauseSandbox(connection: Connection, sandboxId: string, options: LifeOptions) {
  const request = { sandboxId, idempotencyKey: randomId() };
  return connection.unary((call) => connection.sandboxes.pauseSandbox(request, call), unaryOptions(options));
}

/** `newTimeoutMs`: its lifecycle's time-out from now on. */
export async function resumeSandbox(
  connection: Connection,
  sandboxId: string,
  newTimeoutMs: number | undefined,
  options: LifeOptions,
) {
  const request = { sandboxId, idempotencyKey: randomId(), ...defined({ timeout: durationOf(newTimeoutMs) }) };
  return connection.unary((call) => connection.sandboxes.resumeSandbox(request, call), unaryOptions(options));
}

export async function takeSnapshot(
  connection: Connection,
  sandboxId: string,
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { name = "", metadata } = options;
  const request = { sandboxId, name, metadata: { ...metadata }, idempotencyKey: randomId() };
  const answer = await connection.unary(
    (call) => connection.snapshots.createSnapshot(request, call),
    unaryOptions(options),
  );
  return snapshotOf(answer.snapshot, stageTimesOf(answer.stages));
}

/** A child that runs, before it is a Sandbox. */
export interface Child {
  readonly info: SandboxInfo;
  readonly accessToken: string | undefined;
}

/** One outcome for each child asked for. */
export async function forkSandbox(
  connection: Connection,
  sandboxId: string,
  count: number,
  options: ForkOptions,
): Promise<readonly PromiseSettledResult<Child>[]> {
  const { env, metadata, lifecycle } = options;
  const request = {
    ...{ sandboxId, count, env: { ...env }, metadata: { ...metadata }, idempotencyKey: randomId() },
    ...defined({ lifecycle: lifecycleToWire(lifecycle) }),
  };
  const answer = await connection.unary(
    (call) => connection.sandboxes.forkSandbox(request, call),
    unaryOptions(options),
  );
  return answer.results.map(({ result }) => {
    switch (result.case) {
      case "child": {
        const { sandbox, accessToken } = result.value;
        return { status: "fulfilled", value: { info: sandboxInfoOf(sandbox), accessToken: accessToken || undefined } };
      }
      case "failure":
        return { status: "rejected", reason: errorOfReason(result.value) };
      default:
        throw new TypeError("The platform's answer lacks a child's outcome.");
    }
  });
}

export async function rollBackSandbox(
  connection: Connection,
  sandboxId: string,
  snapshotId: string,
  options: LifeOptions,
) {
  const request = { sandboxId, snapshotId, idempotencyKey: randomId() };
  return connection.unary((call) => connection.sandboxes.rollBackSandbox(request, call), unaryOptions(options));
}

export async function undeleteSandbox(connection: Connection, sandboxId: string, options: LifeOptions) {
  const request = { sandboxId, idempotencyKey: randomId() };
  return connection.unary((call) => connection.sandboxes.undeleteSandbox(request, call), unaryOptions(options));
}

/** `purge`: without a tombstone, or the end of one. */
export async function deleteSandbox(
  connection: Connection,
  sandboxId: string,
  purge: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = { sandboxId, purge, idempotencyKey: randomId() };
  await connection.unary((call) => connection.sandboxes.deleteSandbox(request, call), { signal, repeatable: true });
}

export async function setSandboxTimeout(
  connection: Connection,
  sandboxId: string,
  timeoutMs: number | undefined,
  options: { readonly signal?: AbortSignal | undefined; readonly extendOnly?: boolean | undefined },
) {
  const { extendOnly = false, signal } = options;
  const request = { sandboxId, extendOnly, ...defined({ timeout: durationOf(timeoutMs) }) };
  return connection.unary((call) => connection.sandboxes.setSandboxTimeout(request, call), {
    signal,
    repeatable: true,
  });
}

export async function readLineage(
  connection: Connection,
  sandboxId: string,
  signal: AbortSignal | undefined,
): Promise<Lineage> {
  const answer = await connection.unary((call) => connection.sandboxes.getSandboxLineage({ sandboxId }, call), {
    signal,
    repeatable: true,
  });
  return { ancestors: answer.ancestors.map(relativeOf), children: answer.children.map(relativeOf) };
}

function relativeOf({ sandboxId, state, snapshotId, createTime }: LineageEntry): Relative {
  return {
    sandboxId,
    state: lowerNameOf(WireState, state),
    snapshotId: snapshotId || undefined,
    createTime: dateOf(createTime),
  };
}
