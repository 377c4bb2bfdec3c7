/** The answer to a path that nothing is at. */
import { errorToJson } from "@connectrpc/connect/protocol-connect";
import type { NodeRequest, NodeResponse } from "./node-http.ts";
import { problem, toConnectError } from "./problem.ts";
import { requestIdHeader, requestIdOf } from "./request-id.ts";

/** In Connect's form; gRPC clients go by the status. */
export function answerUnknownCall(request: NodeRequest, response: NodeResponse): void {
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  const error = problem("UNKNOWN_CALL", "There is no call of this path.");
  response.statusCode = 404;
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(errorToJson(toConnectError(error, requestId), undefined))}\n`);
}
