/** An error as the answer of plain HTTP, in the form of Connect's own: a client has one parser for all of ours. */
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { typedError } from "./interceptors.ts";
import type { NodeResponse } from "./node-http.ts";
import { problemOf } from "./problem.ts";
import type { ReasonName } from "./problem-reasons.ts";

/** Where HTTP has a better word than the one that Connect's code stands for. */
const statuses: Partial<Record<ReasonName, number>> = {
  UNKNOWN_CALL: 404,
  BODY_TOO_LARGE: 413,
  INPUT_GAP: 409,
  RANGE_INVALID: 416,
  GUEST_NO_SPACE: 507,
};

export interface AnswerProblemOptions {
  readonly requestId: string;
  /** No body follows the headers. */
  readonly head?: boolean;
  /** Instead of the reason's own. */
  readonly status?: number;
}

export function answerProblem(response: NodeResponse, error: unknown, options: AnswerProblemOptions): void {
  const typed = typedError(error, options.requestId);
  const reason = problemOf(typed)?.reason;
  const body = Buffer.from(`${JSON.stringify(errorToJson(typed, undefined))}\n`);
  typed.metadata.forEach((value, name) => {
    response.setHeader(name, value);
  });
  response.statusCode = options.status ?? (reason && statuses[reason]) ?? codeToHttpStatus(typed.code);
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", body.length);
  if (options.head) response.end();
  else (response as { end(body: Uint8Array): void }).end(body);
}
