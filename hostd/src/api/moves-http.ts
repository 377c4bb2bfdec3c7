/** `GET` and `PUT /v1/moves/<id>`: what is moved between hosts goes through the control plane, as a tar stream. */
import { Code } from "@connectrpc/connect";
import { answerProblem } from "@daytonah/lib/answer-problem.ts";
import { typedError } from "@daytonah/lib/interceptors.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { type MoveAddress, readMoveAddress } from "@daytonah/lib/move-address.ts";
import { breakOff, isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import { requestIdHeader, requestIdOf } from "@daytonah/lib/request-id.ts";
import { sendBody, sendHeaders, sendJson } from "../http-files/send-body.ts";
import { exportSnapshot, exportVm } from "../vm/export-vm.ts";
import { importSnapshot } from "../vm/import-snapshot.ts";
import { importVm } from "../vm/import-vm.ts";
import type { VmDeps } from "../vm/vm-deps.ts";
import type { Metrics } from "./metrics.ts";
import { rawBody } from "./raw-body.ts";

export interface MovesHttpOptions {
  readonly metrics: Pick<Metrics, "observe">;
  readonly log: Logger;
}

interface Exchange {
  readonly address: MoveAddress;
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly signal: AbortSignal;
}

/** Answers a request whose path is that of a move; says false, and does nothing, if it is none. */
export function createMovesHttp(deps: VmDeps, { metrics, log }: MovesHttpOptions) {
  async function answer(exchange: Omit<Exchange, "signal">): Promise<void> {
    const { request, response } = exchange;
    const began = performance.now();
    const { method } = request;
    const action = method === "GET" ? send : method === "PUT" ? take : undefined;
    const name = `moves ${action ? method : "?"}`;
    const requestId = requestIdOf(request.headers[requestIdHeader]);
    response.setHeader(requestIdHeader, requestId);
    try {
      if (!action) throw problem("UNKNOWN_CALL", `A move can't be asked for ${method}.`);
      await action(deps, { ...exchange, signal: goneSignal(response) });
      metrics.observe(name, "ok", began);
    } catch (error) {
      const typed = typedError(error, requestId);
      metrics.observe(name, typed.code, began);
      if (isGone(response)) return; // the control plane went away
      log.warn("move.failed", { name, id: exchange.address.id, requestId, error });
      if (response.headersSent) return breakOff(response);
      request.resume(); // what still comes is thrown away
      const conflict = typed.code === Code.FailedPrecondition || problemOf(typed)?.reason === "SANDBOX_STATE_CONFLICT";
      answerProblem(response, typed, { requestId, ...(action ? (conflict ? { status: 409 } : {}) : { status: 405 }) });
    }
  }

  return (request: NodeRequest, response: NodeResponse): boolean => {
    const address = readMoveAddress(request.url ?? "");
    if (!address) return false;
    void answer({ address, request, response });
    return true;
  };
}

async function send(deps: VmDeps, { address: { id, epoch }, response, signal }: Exchange): Promise<void> {
  const leaving = await (epoch === undefined
    ? exportSnapshot(deps, id, { signal })
    : exportVm(deps, { sandboxId: id, epoch: Number(epoch) }, { signal }));
  sendHeaders(response, 200, { "content-type": "application/x-tar", "cache-control": "no-store" });
  await sendBody(response, leaving.output, leaving.signal);
}

async function take(deps: VmDeps, { address: { id, epoch }, request, response, signal }: Exchange): Promise<void> {
  const body = rawBody(request);
  await (epoch === undefined
    ? importSnapshot(deps, id, body, { signal })
    : importVm(deps, { sandboxId: id, epoch: Number(epoch) }, body, { signal }));
  request.resume(); // a repeat was not read
  sendJson(response, {});
}

function goneSignal(response: NodeResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the control plane went away")));
  return gone.signal;
}
