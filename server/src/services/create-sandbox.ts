/** Makes a sandbox: a row in one transaction, then its VM. docs/sandbox-life.md has every way this can be cut short. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { takeKey } from "../db/idempotency.ts";
import { claimPoolVm } from "../db/pool-vms.ts";
import { insertSandbox, type SandboxRow } from "../db/sandboxes.ts";
import { newSandboxId } from "../domain/ids.ts";
import type { Lifecycle } from "../domain/lifecycle.ts";
import type { Size } from "../domain/placement.ts";
import { awaitCreated } from "./await-created.ts";
import { abandonCreate } from "./delete-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { digestOf, idempotencyKeyReused } from "./idempotent.ts";
import { place } from "./place.ts";
import { requireQuota } from "./require-quota.ts";
import { sourceOf, templateOf } from "./source-of.ts";
import type { Stage } from "./stages.ts";
import { startSandbox } from "./start-sandbox.ts";

export interface CreateSandboxInput {
  readonly orgId: string;
  /** Empty: "base", or what the snapshot has. */
  readonly template: string;
  /** Empty: from a template. */
  readonly snapshotId: string;
  /** 0 where the caller asked for nothing. */
  readonly size: Size;
  readonly env: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly lifecycle: Lifecycle;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

export interface CreatedSandbox {
  readonly row: SandboxRow;
  readonly stages: readonly Stage[];
  readonly replayed: boolean;
}

export interface CallerOptions {
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  readonly requestId: string;
}

const rpc = "CreateSandbox";

export async function createSandbox(
  deps: ServiceDeps,
  input: CreateSandboxInput,
  { signal, requestId }: CallerOptions,
): Promise<CreatedSandbox> {
  const calledAt = deps.clock.now();
  const warm = await claimWarm(deps, input);
  const begun = warm ?? (await beginCreate(deps, input));
  if (begun.t === "replay") {
    return { row: await awaitCreated(deps, begun.sandboxId, signal), stages: [], replayed: true };
  }
  const queue: Stage = { stage: warm ? "claim" : "queue", ms: deps.clock.now() - calledAt };
  const start = deps.background.run(startSandbox(deps, begun.row, requestId));
  try {
    const { row, stages } = await abortable(start, signal);
    return { row, stages: [queue, ...stages], replayed: false };
  } catch (error) {
    if (signal.aborted && !begun.row.keyed) void deps.background.run(abandonCreate(deps, begun.row)).catch(logged);
    throw error;
  }

  function logged(error: unknown): void {
    deps.log.warn("sandbox.abandon_delayed", { sandbox: begun.t === "new" ? begun.row.id : "", error });
  }
}

type Begun = { readonly t: "new"; readonly row: SandboxRow } | { readonly t: "replay"; readonly sandboxId: string };

/** One of a warm pool, where there is one of this template and size. */
async function claimWarm({ db, clock }: ServiceDeps, input: CreateSandboxInput): Promise<Begun | undefined> {
  if (input.snapshotId !== "") return undefined;
  const { idempotencyKey, ...request } = input;
  const key =
    idempotencyKey === "" ? undefined : { orgId: input.orgId, rpc, key: idempotencyKey, digest: digestOf(request) };
  const row = await claimPoolVm(db, { ...input, ...templateOf(input), key, now: new Date(clock.now()) });
  return row && { t: "new", row };
}

/** Key, row, room on the host and event: all or nothing. A refusal leaves no key behind. */
async function beginCreate({ db }: ServiceDeps, input: CreateSandboxInput): Promise<Begun> {
  return db.transaction().execute(async (tx) => {
    const id = newSandboxId();
    const { idempotencyKey, ...request } = input;
    const keyed = idempotencyKey !== "";
    if (keyed) {
      const digest = digestOf(request);
      const taken = await takeKey(tx, { orgId: input.orgId, rpc, key: idempotencyKey, digest, resultId: id });
      if (taken.t === "reused") throw idempotencyKeyReused(idempotencyKey);
      if (taken.t === "replay") return { t: "replay", sandboxId: taken.resultId };
    }
    const { placement, origin } = await sourceOf(tx, input);
    await requireQuota(tx, input.orgId, { ...placement, sandboxes: 1 });
    const { hostId, hardwareIsolated, size } = await place(tx, placement);
    const row = await insertSandbox(tx, {
      id,
      orgId: input.orgId,
      template: placement.template,
      ...size,
      metadata: input.metadata,
      env: input.env,
      hostId,
      hardwareIsolated,
      keyed,
      lifecycle: input.lifecycle,
      ...(origin ? { origin } : {}),
    });
    return { t: "new", row };
  });
}
