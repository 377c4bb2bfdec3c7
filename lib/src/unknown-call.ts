/** The answer to a path that nothing is at. */
import { answerProblem } from "./answer-problem.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";
import { problem } from "./problem.ts";
import { requestIdHeader, requestIdOf } from "./request-id.ts";

/** In Connect's form; gRPC clients go by the status. */
export function answerUnknownCall(request: NodeRequest, response: NodeResponse): void {
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  answerProblem(response, problem("UNKNOWN_CALL", "There is no call of this path."), {
    requestId,
    head: request.method === "HEAD",
  });
}
