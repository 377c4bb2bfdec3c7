/** Errors as the platform sends them. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";

interface FakeErrorFacts {
  readonly nextStep?: string;
  readonly metadata?: Record<string, string>;
  readonly violations?: { field: string; rule: string; message: string }[];
  readonly retryDelayMs?: number;
}

export function fakeError(
  code: Code,
  reason: Exclude<keyof typeof ErrorReason, "UNSPECIFIED">,
  message: string,
  facts: FakeErrorFacts = {},
): ConnectError {
  const { nextStep = `Mend ${reason}.`, metadata = {}, violations = [], retryDelayMs } = facts;
  const info = create(ErrorInfoSchema, {
    reason: ErrorReason[reason],
    nextStep,
    metadata: { request_id: "req-1", ...metadata },
    violations,
    ...(retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) }),
  });
  return new ConnectError(message, code, undefined, [{ desc: ErrorInfoSchema, value: info }]);
}

export const unavailable = () =>
  fakeError(Code.Unavailable, "HOST_UNAVAILABLE", "The host does not answer.", { retryDelayMs: 1 });

export const internalError = () => fakeError(Code.Internal, "INTERNAL", "The platform failed to do this.");
