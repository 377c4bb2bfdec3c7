/**
 * The one error class of server and daemon, and its two conversions at the wire's edge.
 */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, ErrorReason, type FieldViolation } from "@daytonah/gen/daytonah/v1/error_pb.ts";
import { codeOfReason, nextStepOfReason, type ReasonName } from "./problem-reasons.ts";

export interface ProblemOptions {
  /** What to do next; the reason's own sentence where absent. */
  readonly nextStep?: string;
  /** Facts for programs. No secrets. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly Pick<FieldViolation, "field" | "rule" | "message">[];
  /** When another try may work. */
  readonly retryDelayMs?: number;
  /** Logged, never sent. */
  readonly cause?: unknown;
}

export class Problem extends Error {
  override readonly name = "Problem";
  readonly reason: ReasonName;
  readonly options: ProblemOptions;

  constructor(reason: ReasonName, message: string, options: ProblemOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.options = options;
  }

  get code(): Code {
    return codeOfReason[this.reason];
  }
}

/** Makes a Problem: `throw problem("SANDBOX_NOT_FOUND", "There is no sandbox x in your organization.")`. */
export function problem(reason: ReasonName, message: string, options?: ProblemOptions): Problem {
  return new Problem(reason, message, options);
}

/** A field that breaks a rule which no proto rule can state. */
export function fieldProblem(field: string, message: string, nextStep?: string): Problem {
  return problem("FIELD_INVALID", `${field}: ${message}`, {
    violations: [{ field, rule: "custom", message }],
    ...(nextStep === undefined ? {} : { nextStep }),
  });
}

export function toConnectError(error: Problem, requestId: string): ConnectError {
  const { nextStep, metadata = {}, violations = [], retryDelayMs } = error.options;
  const info = create(ErrorInfoSchema, {
    reason: ErrorReason[error.reason],
    nextStep: nextStep ?? nextStepOfReason[error.reason],
    metadata: { ...metadata, ...(requestId ? { request_id: requestId } : {}) },
    violations: [...violations],
    ...(retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) }),
  });
  const headers = retryDelayMs === undefined ? undefined : { "retry-after": String(Math.ceil(retryDelayMs / 1000)) };
  return new ConnectError(error.message, error.code, headers, [{ desc: ErrorInfoSchema, value: info }], error);
}

/** The Problem that a peer of ours sent; undefined for an error without our detail (a broken connection, say). */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (!(error instanceof ConnectError)) return undefined;
  if (error.cause instanceof Problem) return error.cause;
  const info = error.findDetails(ErrorInfoSchema)[0];
  const reason = info && reasonName(info.reason);
  if (!info || !reason) return undefined;
  const { request_id: _, ...metadata } = info.metadata;
  return problem(reason, error.rawMessage, {
    nextStep: info.nextStep,
    metadata,
    violations: info.violations,
    ...(info.retryDelay ? { retryDelayMs: Number(info.retryDelay.seconds) * 1000 + info.retryDelay.nanos / 1e6 } : {}),
    cause: error,
  });
}

function reasonName(reason: number): ReasonName | undefined {
  return (Object.keys(codeOfReason) as ReasonName[]).find((name) => ErrorReason[name] === reason);
}
