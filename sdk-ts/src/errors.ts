/** The errors that this package throws. All but an abort (which throws the signal's reason) are DaytonahErrors. */
import type { ErrorReason } from "./error-reasons.ts";

/** Kind of an error: the Connect (and gRPC) codes in small letters. */
export type ErrorCode =
  | "canceled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "not_found"
  | "already_exists"
  | "permission_denied"
  | "resource_exhausted"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "data_loss"
  | "unauthenticated";

/** A field of a request that breaks its rule. */
export interface FieldViolation {
  /** Path from the request, such as "resources.memory_mib". */
  readonly field: string;
  /** Id of the rule, such as "uint32.gte". */
  readonly rule: string;
  /** The rule in words. */
  readonly message: string;
}

/** What a {@link DaytonahError} is made of; each is a member of it. */
export interface DaytonahErrorFacts {
  readonly code: ErrorCode;
  /** See {@link DaytonahError.reason}. */
  readonly reason?: ErrorReason | undefined;
  /** See {@link DaytonahError.nextStep}. */
  readonly nextStep?: string | undefined;
  /** See {@link DaytonahError.metadata}. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** See {@link DaytonahError.violations}. */
  readonly violations?: readonly FieldViolation[] | undefined;
  /** See {@link DaytonahError.retryAfterMs}. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * Base of all errors of this package.
 *
 * @example
 * try {
 *   await Sandbox.create({ template: "no-such" });
 * } catch (error) {
 *   if (error instanceof NotFoundError) console.error(error.reason, error.nextStep);
 *   else throw error;
 * }
 */
export class DaytonahError extends Error {
  override readonly name: string = "DaytonahError";
  /** Kind of the error. */
  readonly code: ErrorCode;
  /** Which rule or part failed; undefined where the platform never got to say it (a broken connection, say). */
  readonly reason: ErrorReason | undefined;
  /** What to do next, one sentence; may be empty. */
  readonly nextStep: string;
  /** Facts for programs, such as `sandbox_id`, `state`, `scope`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** For reason FIELD_INVALID: each field that breaks a rule. */
  readonly violations: readonly FieldViolation[];
  /** When another try may work, milliseconds; undefined where the platform named no time. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, facts: DaytonahErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.reason = facts.reason;
    this.nextStep = facts.nextStep ?? "";
    this.metadata = facts.metadata ?? {};
    this.violations = facts.violations ?? [];
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** Finds the call in the platform's logs. */
  get requestId(): string | undefined {
    return this.metadata.request_id;
  }
}

export type DaytonahErrorClass = new (message: string, facts: DaytonahErrorFacts) => DaytonahError;

/** The credential is missing, unknown or revoked. */
export class AuthenticationError extends DaytonahError {
  override readonly name: string = "AuthenticationError";
}

/** The credential lacks a scope, or the sandbox's user may not use a path. */
export class PermissionDeniedError extends DaytonahError {
  override readonly name: string = "PermissionDeniedError";
}

/** A value of the request is wrong; see `violations`. Also: no such program, user or working directory. */
export class InvalidArgumentError extends DaytonahError {
  override readonly name: string = "InvalidArgumentError";
}

/** No such sandbox, template, process, file or key, or it belongs to somebody else. */
export class NotFoundError extends DaytonahError {
  override readonly name: string = "NotFoundError";
}

/** The state of the sandbox, process or path does not allow this. */
export class ConflictError extends DaytonahError {
  override readonly name: string = "ConflictError";
}

/** A limit is reached: a quota of yours, a size, your calls at once, or the sandbox's own disk or processes. */
export class LimitError extends DaytonahError {
  override readonly name: string = "LimitError";
}

/** The platform has no room now; try again after `retryAfterMs`. */
export class CapacityError extends DaytonahError {
  override readonly name: string = "CapacityError";
}

/** The sandbox's VM ended by itself. `resume` starts it again from its disk. */
export class SandboxDiedError extends DaytonahError {
  override readonly name: string = "SandboxDiedError";
}

/** The platform, or a part of it, does not answer, also after the retries that are safe. */
export class UnavailableError extends DaytonahError {
  override readonly name: string = "UnavailableError";
}

/** The call took longer than its `timeoutMs`. */
export class TimeoutError extends DaytonahError {
  override readonly name: string = "TimeoutError";
}

/** The server does not know this call: it is older than this package, or it is no DaytoNah server. */
export class UnsupportedError extends DaytonahError {
  override readonly name: string = "UnsupportedError";
}

/** A fault of the platform; report it with `requestId`. */
export class PlatformError extends DaytonahError {
  override readonly name: string = "PlatformError";
}
