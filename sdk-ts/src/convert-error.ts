/** Turns what the RPC layer throws into this package's errors. */
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason as WireReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { nameOf } from "./convert.ts";
import { classOfReason, type ErrorReason } from "./error-reasons.ts";
import {
  AuthenticationError,
  CapacityError,
  ConflictError,
  DaytonahError,
  type DaytonahErrorClass,
  type ErrorCode,
  InvalidArgumentError,
  NotFoundError,
  PermissionDeniedError,
  PlatformError,
  TimeoutError,
  UnavailableError,
  UnsupportedError,
} from "./errors.ts";

/** For errors that carry no reason. */
const codes: Record<Code, readonly [ErrorCode, DaytonahErrorClass]> = {
  [Code.Canceled]: ["canceled", UnavailableError],
  [Code.Unknown]: ["unknown", PlatformError],
  [Code.InvalidArgument]: ["invalid_argument", InvalidArgumentError],
  [Code.DeadlineExceeded]: ["deadline_exceeded", TimeoutError],
  [Code.NotFound]: ["not_found", NotFoundError],
  [Code.AlreadyExists]: ["already_exists", ConflictError],
  [Code.PermissionDenied]: ["permission_denied", PermissionDeniedError],
  [Code.ResourceExhausted]: ["resource_exhausted", CapacityError],
  [Code.FailedPrecondition]: ["failed_precondition", ConflictError],
  [Code.Aborted]: ["aborted", ConflictError],
  [Code.OutOfRange]: ["out_of_range", InvalidArgumentError],
  [Code.Unimplemented]: ["unimplemented", UnsupportedError],
  [Code.Internal]: ["internal", PlatformError],
  [Code.Unavailable]: ["unavailable", UnavailableError],
  [Code.DataLoss]: ["data_loss", PlatformError],
  [Code.Unauthenticated]: ["unauthenticated", AuthenticationError],
};

/** The platform speaks of headers. */
const giveKey = "Set the variable DNAH_API_KEY, or give `apiKey` to the Client.";

/** The error to throw for `error`: the reason of an aborted signal, else a DaytonahError. */
export function convertError(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof DaytonahError) return error;
  const wire = ConnectError.from(error);
  const info = wire.findDetails(ErrorInfoSchema)[0];
  const reason = info && nameOf(WireReason, info.reason);
  if (!info || !reason || reason === "UNSPECIFIED") return withoutReason(wire);
  const [code, classOfCode] = codes[wire.code];
  const known = Object.hasOwn(classOfReason, reason) ? classOfReason[reason as ErrorReason] : classOfCode;
  return new known(wire.rawMessage, {
    code,
    reason,
    nextStep: reason === "CREDENTIAL_MISSING" ? giveKey : info.nextStep,
    metadata: info.metadata,
    violations: info.violations.map(({ field, rule, message }) => ({ field, rule, message })),
    retryAfterMs: info.retryDelay && durationMs(info.retryDelay),
    cause: wire,
  });
}

/** Codes of the kinds of failure that a part of an answer can be. */
const codeOfClass = new Map<DaytonahErrorClass, ErrorCode>([
  [NotFoundError, "not_found"],
  [ConflictError, "aborted"],
  [CapacityError, "resource_exhausted"],
  [UnavailableError, "unavailable"],
]);

/** The error for a failure that is a part of an answer, by the name of its reason. */
export function errorOfReason(failure: {
  readonly reason: string;
  readonly message: string;
  readonly nextStep: string;
  readonly retryDelay?: Duration | undefined;
}): DaytonahError {
  const { reason, message, nextStep, retryDelay } = failure;
  const known = Object.hasOwn(classOfReason, reason) ? classOfReason[reason as ErrorReason] : PlatformError;
  return new known(message, {
    code: codeOfClass.get(known) ?? "internal",
    reason: reason as ErrorReason,
    nextStep,
    retryAfterMs: retryDelay && durationMs(retryDelay),
  });
}

/** A broken connection comes in many codes and texts: all become one UnavailableError. */
function withoutReason(wire: ConnectError): DaytonahError {
  if (wire.code !== Code.DeadlineExceeded && isTransportFailure(wire)) {
    return new UnavailableError(`The platform can't be reached: ${wire.rawMessage}`, {
      code: "unavailable",
      nextStep: "Check that the platform runs and that its URL is right (DNAH_URL).",
      cause: wire,
    });
  }
  const [code, errorClass] = codes[wire.code];
  return new errorClass(wire.rawMessage, { code, cause: wire });
}

/**
 * True where the failure came from the way to the platform. Node's errors carry a `code`, `fetch` throws TypeErrors, a stream
 * that was cut is reset (canceled, aborted) or lacks its end; the platform's own errors have a reason and never get here.
 */
function isTransportFailure(wire: ConnectError): boolean {
  if ([Code.Unavailable, Code.Aborted, Code.Canceled].includes(wire.code)) return true;
  for (let cause = wire.cause; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TypeError || "code" in cause) return true;
  }
  return /premature|missing EndStreamResponse|missing trailers|stream closed|session/i.test(wire.rawMessage);
}
