/**
 * A Node request listener for Connect services. Beside connect-node's own adapter it counts a body while it comes in,
 * and can fail a call before any handler sees it, in whichever protocol the client speaks.
 */
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { answerProblem } from "./answer-problem.ts";
import { bodyTooLarge } from "./body-too-large.ts";
import { boundedGzip } from "./bounded-gzip.ts";
import { typedError } from "./interceptors.ts";
import type { Logger } from "./log.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";
import { fieldProblem, problemOf } from "./problem.ts";
import { requestIdHeader, requestIdKey, requestIdOf } from "./request-id.ts";

export interface RpcListenerOptions extends Omit<ConnectRouterOptions, "readMaxBytes"> {
  readonly routes: (router: ConnectRouter) => void;
  /** A longer body is BODY_TOO_LARGE. */
  readonly maxBodyBytes: number;
  /** Decides on a call before anything of its body is read; throws the problem that the client gets. */
  readonly admit?: (request: NodeRequest, path: string, values: ContextValues) => Promise<void>;
  readonly log: Logger;
}

export interface RpcListener {
  /** Answers the request if its path is an rpc; says false, and does nothing, if it is none. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
  /** Answers an rpc with an error; false where the path is no rpc. */
  fail(request: NodeRequest, response: NodeResponse, error: unknown): boolean;
}

/** What a call holds until its handler is done with it and its client was answered whole, or has gone. */
export const heldKey = createContextKey<DisposableStack>(new DisposableStack(), { description: "held" });
const admissionKey = createContextKey<Promise<void> | undefined>(undefined, { description: "admission" });

/** A call by GET has no body, and none of its handlers would hear that it was refused. */
const awaitAdmission: Interceptor = (next) => async (request) => {
  await request.contextValues.get(admissionKey);
  return next(request);
};

export function createRpcListener(options: RpcListenerOptions): RpcListener {
  const { routes, maxBodyBytes, log, admit, ...routerOptions } = options;
  const router = createConnectRouter({
    acceptCompression: [boundedGzip(maxBodyBytes)],
    // Kept, each of two bytes would take a few hundred: a body of some MiB takes GiB then.
    binaryOptions: { readUnknownFields: false },
    ...routerOptions,
    interceptors: [awaitAdmission, ...(routerOptions.interceptors ?? [])],
    // More than ours, which has a typed error.
    readMaxBytes: 2 * maxBodyBytes,
  });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  function answer(request: NodeRequest, response: NodeResponse, decide: RpcListenerOptions["admit"]): boolean {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlers.get(path);
    if (!handler) return false;
    const requestId = requestIdOf(request.headers[requestIdHeader]);
    response.setHeader(requestIdHeader, requestId);
    const held = new DisposableStack();
    const contextValues = createContextValues().set(requestIdKey, requestId).set(heldKey, held);
    // connect-node's own type for a response has optional members that Node's classes declare otherwise.
    const nodeResponse = response as Parameters<typeof universalResponseToNodeResponse>[1];
    let universal: ReturnType<typeof universalRequestFromNodeRequest>;
    try {
      universal = universalRequestFromNodeRequest(request, nodeResponse, undefined, contextValues);
    } catch {
      request.resume();
      answerProblem(response, fieldProblem("host", "this header is missing, or names no host."), { requestId });
      return true;
    }
    const admission = decide?.(request, path, contextValues).catch((error: unknown) => {
      request.resume(); // what a stranger still sends is thrown away
      const typed = typedError(error, requestId);
      if (problemOf(typed)?.code === Code.Internal) log.error("rpc.failed", { rpc: path, requestId, error });
      throw typed;
    });
    admission?.catch(() => undefined); // whoever asks hears of it
    contextValues.set(admissionKey, admission);
    const body = universal.body as AsyncIterable<Uint8Array>;
    const handled = handler({ ...universal, body: limitBody(body, maxBodyBytes, requestId, admission) });
    const closed = new Promise<void>((resolve) => response.once("close", resolve));
    void Promise.allSettled([admission, handled, closed]).then(() => held.dispose());
    handled
      .then((result) => universalResponseToNodeResponse(result, nodeResponse))
      .catch((error: unknown) => {
        if (ConnectError.from(error).code === Code.Aborted) return; // the client went away
        log.warn("rpc.unanswered", { rpc: path, requestId, error });
      });
    return true;
  }

  return {
    handle: (request, response) => answer(request, response, admit),
    fail: (request, response, error) => answer(request, response, () => Promise.reject(error)),
  };
}

async function* limitBody(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  requestId: string,
  admission: Promise<void> | undefined,
) {
  await admission;
  // Not by `for await`: left early it destroys the request, and an HTTP/1.1 connection then hangs with its next call.
  const chunks = body[Symbol.asyncIterator]();
  let total = 0;
  let ended = false;
  try {
    for (;;) {
      const next = await chunks.next();
      ended = next.done === true;
      if (ended) return;
      total += next.value.byteLength;
      if (total > maxBytes) throw typedError(bodyTooLarge(maxBytes), requestId);
      yield next.value;
    }
  } finally {
    if (!ended) void discard(chunks);
  }
}

/** Reads what the client still sends. */
async function discard(chunks: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    while (!(await chunks.next()).done);
  } catch {
    // The connection broke: nothing is left to read.
  }
}
