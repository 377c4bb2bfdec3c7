/** Tells a VM's agent who it is, and what happened: at a first start, after a restore, as a fork, at a claim. */
import { randomBytes } from "node:crypto";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { LifeEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { AgentClient } from "../guest/agent-client.ts";
import { tellTime } from "../guest/tell-time.ts";
import type { Stages } from "./stages.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmPlan } from "./vm-record.ts";

export type VmEvent = "started" | "resumed" | "forked" | "claimed";

const events = {
  started: LifeEvent.UNSPECIFIED,
  resumed: LifeEvent.RESUMED,
  forked: LifeEvent.FORKED,
  claimed: LifeEvent.CLAIMED,
} as const satisfies Record<VmEvent, LifeEvent>;

export interface Personalize {
  readonly event: VmEvent;
  /** Of a guest that has one in its memory: `env` is added to it. */
  readonly keepEnvironment: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly requestId: string;
}

/**
 * Idempotent by the plan's sandbox, epoch and wakes: the agent does it once. A stage of its own, and so are the programs of the
 * guest that it waits for.
 */
export async function personalizeInStages(stages: Stages, ...args: Parameters<typeof personalize>): Promise<void> {
  const hookMs = await stages.time("personalize", () => personalize(...args));
  if (hookMs !== undefined) stages.split("hooks", hookMs);
}

/** How long the guest's hooks took, where there were any. */
export async function personalize(
  { now }: Pick<VmDeps, "now">,
  agent: AgentClient,
  plan: Pick<VmPlan, "sandboxId" | "epoch" | "wakes">,
  { event, keepEnvironment, env, requestId }: Personalize,
  options: { readonly signal: AbortSignal },
): Promise<number | undefined> {
  const { wallClock, asOf } = await tellTime(agent, now, options);
  const value = {
    sandboxId: plan.sandboxId,
    epoch: BigInt(plan.epoch),
    wake: BigInt(plan.wakes ?? 0),
    hostname: plan.sandboxId,
    env: { ...env },
    wallClock,
    ...(asOf ? { wallClockAsOf: asOf } : {}),
    entropy: randomBytes(64),
    defaultUser: "user",
    newMachineId: event === "started" || event === "forked",
    keepEnvironment,
    event: events[event],
  };
  const call = { case: "personalize" as const, value };
  const { hookTime } = await agent.unary(call, "personalized", { ...options, requestId });
  return hookTime && durationMs(hookTime);
}
