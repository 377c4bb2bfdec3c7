/** How long each stage of a call to a host took. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { StageTime } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";

export interface Stage {
  readonly stage: string;
  readonly ms: number;
}

export function stagesOf({ stages }: { readonly stages: readonly StageTime[] }): readonly Stage[] {
  return stages.map(({ stage, duration }) => ({ stage, ms: duration ? durationMs(duration) : 0 }));
}
