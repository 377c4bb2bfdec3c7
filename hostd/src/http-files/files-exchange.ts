/** One request for files over plain HTTP, on its way to the sandbox. */
import type { NodeRequest, NodeResponse } from "@daytonah/lib/node-http.ts";
import type { SandboxCall } from "../api/sandbox-call.ts";
import type { Coders } from "./coders.ts";

export interface FilesExchange {
  readonly call: SandboxCall;
  readonly coders: Coders;
  readonly query: URLSearchParams;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
}
