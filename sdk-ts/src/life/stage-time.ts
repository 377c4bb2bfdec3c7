import { durationMs } from "@bufbuild/protobuf/wkt";
import type { StageTime as WireStageTime } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";

/**
 * How long a stage took. Of a create: "queue", "claim" (from a warm pool), "disk", "vmm" or "restore", "agent", "personalize",
 * "hooks"; of a pause or snapshot: "quiesce", "stop", "memory", "disk", and "window", how long its programs stood still.
 */
export interface StageTime {
  /** Its name. */
  readonly stage: string;
  /** How long it took, milliseconds. */
  readonly ms: number;
}

export function stageTimesOf(stages: readonly WireStageTime[]): readonly StageTime[] {
  return stages.map(({ stage, duration }) => ({ stage, ms: duration ? durationMs(duration) : 0 }));
}
