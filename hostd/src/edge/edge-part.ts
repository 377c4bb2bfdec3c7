/** One kind of request that the edge answers. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { NodeRequest, NodeResponse } from "@daytonah/lib/node-http.ts";

export interface EdgePart {
  /** Answers the request if it is of this kind; says false, and does nothing, otherwise. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
  /** The same for a connection that leaves HTTP, such as a WebSocket's. */
  upgrade?(request: IncomingMessage, socket: Socket, head: Buffer): boolean;
}
