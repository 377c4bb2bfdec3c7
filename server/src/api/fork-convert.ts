/** What a fork made: rows and problems to protobuf. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type ForkResult, ForkResultSchema, type Sandbox } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { Problem } from "@daytonah/lib/problem.ts";
import { nextStepOfReason } from "@daytonah/lib/problem-reasons.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { accessTokenOf } from "../domain/access-token.ts";
import type { ForkedChild } from "../services/run-fork.ts";

export function forkResultOf(child: ForkedChild, toProto: (row: SandboxRow) => Sandbox, tokenKey: string): ForkResult {
  if (child instanceof Problem) {
    const { retryDelayMs, nextStep = nextStepOfReason[child.reason] } = child.options;
    const retry = retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) };
    const value = { reason: child.reason, message: child.message, nextStep, ...retry };
    return create(ForkResultSchema, { result: { case: "failure", value } });
  }
  const gone = child.state === "deleting" || child.state === "deleted";
  const accessToken = gone ? "" : accessTokenOf(tokenKey, child.id, child.token_generation);
  return create(ForkResultSchema, { result: { case: "child", value: { sandbox: toProto(child), accessToken } } });
}
