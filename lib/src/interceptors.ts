/** What every service of ours does around a call: validate, log, and turn errors into typed ones. */

import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "./log.ts";
import { Problem, type ProblemOptions, problem, problemOf, toConnectError } from "./problem.ts";
import type { ReasonName } from "./problem-reasons.ts";
import { requestIdKey } from "./request-id.ts";
import { tooManyEntries } from "./too-many-entries.ts";

const validator = createValidator();

/** Checks each request message against the rules in the protos. */
export const validateRequests: Interceptor = (next) => async (request) => {
  if (request.stream) {
    const checked = {
      ...request,
      message: (async function* () {
        for await (const message of request.message) {
          check(request.method.input, message);
          yield message;
        }
      })(),
    };
    return next(checked);
  }
  check(request.method.input, request.message);
  return next(request);
};

/** Checks one message; throws FIELD_INVALID with every violation. */
export function check(...[schema, message]: Parameters<typeof validator.validate>): void {
  const tooMany = tooManyEntries(schema, message);
  if (tooMany.length > 0) throw fieldsInvalid(tooMany);
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw problem("INTERNAL", "A validation rule is broken.", { cause: result.error });
  const violations = result.violations.map((violation) => ({
    field: fieldPath(violation),
    rule: violation.ruleId,
    message: violation.message,
  }));
  throw fieldsInvalid(violations);
}

function fieldsInvalid(violations: NonNullable<ProblemOptions["violations"]>): Problem {
  const first = violations[0];
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return problem("FIELD_INVALID", `${first?.field}: ${first?.message}${more}`, { violations });
}

/** protovalidate prints a violation as `path: message [rule]`; the path is what stands before the message. */
function fieldPath(violation: Violation): string {
  const text = violation.toString();
  const end = text.indexOf(`: ${violation.message}`);
  return end < 0 ? "" : text.slice(0, end);
}

/** Which host lacks how much is told to no caller: its operator looks for that here. */
const noRoom: ReadonlySet<ReasonName> = new Set(["NO_CAPACITY", "HOST_NO_SPACE"]);

/** Outermost: every error leaves as a ConnectError with an ErrorInfo; faults of ours are logged whole. */
export function typedErrors(log: Logger): Interceptor {
  return (next) => async (request) => {
    const requestId = request.contextValues.get(requestIdKey);
    const convert = (error: unknown) => {
      // What its connection ended with is no fault of ours.
      if (request.signal.aborted && error === request.signal.reason && !problemOf(error)) return hungUp(error);
      const typed = typedError(error, requestId);
      const cause = typed.cause;
      if (!(cause instanceof Problem)) return typed;
      const facts = { rpc: `${request.service.typeName}/${request.method.name}`, requestId, error: cause };
      if (cause.code === Code.Internal) log.error("rpc.failed", facts);
      else if (noRoom.has(cause.reason) && cause.cause !== undefined) log.warn("rpc.no_room", facts);
      return typed;
    };
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: convertErrors(response.message, convert) };
    } catch (error) {
      throw convert(error);
    }
  };
}

/** Nobody hears it; a deadline's own code is kept. */
function hungUp(reason: unknown): ConnectError {
  const known = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  return known ? reason : new ConnectError("canceled", Code.Canceled);
}

async function* convertErrors<T>(messages: AsyncIterable<T>, convert: (error: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (error) {
    throw convert(error);
  }
}

/** The ConnectError that goes to the client. */
export function typedError(error: unknown, requestId: string): ConnectError {
  const known = problemOf(error);
  if (known) return toConnectError(known, requestId);
  if (error instanceof ConnectError && error.code !== Code.Internal && error.code !== Code.Unknown) return error;
  if (error instanceof Error && error.name === "AbortError") return new ConnectError("canceled", Code.Canceled);
  return toConnectError(problem("INTERNAL", "The platform failed to do this.", { cause: error }), requestId);
}
