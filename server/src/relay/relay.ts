/** Relays the calls of the data plane to the host that has the sandbox, unread. */
import type { Logger } from "@daytonah/lib/log.ts";
import { headerOf, isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { requestIdHeader, requestIdOf } from "@daytonah/lib/request-id.ts";
import { createRpcListener } from "@daytonah/lib/rpc-listener.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import { hostUnavailable } from "../hosts/connect-host.ts";
import type { HostSessions, Lane } from "../hosts/host-sessions.ts";
import { dataPlaneRoutes, laneOfPath } from "./data-plane.ts";
import { findTarget, type Target, type TargetOptions } from "./find-target.ts";
import { bodyTooLarge, type ForwardOutcome, forward } from "./forward.ts";

export interface Relay {
  /** Answers a call of the data plane; says false, and does nothing, for any other path. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
}

export interface RelayOptions extends TargetOptions {
  readonly isPrepared: () => boolean;
  readonly sessions: HostSessions;
  readonly maxBodyBytes: number;
  readonly log: Logger;
  readonly onRelayed: (relayed: { rpc: string; outcome: ForwardOutcome | "refused"; seconds: number }) => void;
}

export function createRelay(options: RelayOptions): Relay {
  const { isPrepared, sessions, maxBodyBytes, log, onRelayed } = options;
  const refusals = createRpcListener({ routes: dataPlaneRoutes, maxBodyBytes, log });

  async function relay(request: NodeRequest, response: NodeResponse, path: string, lane: Lane): Promise<void> {
    const startedAt = performance.now();
    const requestId = requestIdOf(request.headers[requestIdHeader]);
    const note = (outcome: ForwardOutcome | "refused") =>
      onRelayed({ rpc: path.slice(1), outcome, seconds: (performance.now() - startedAt) / 1000 });
    request.headers[requestIdHeader] = requestId;
    const fail = (error: unknown) => {
      if (!isGone(response)) refusals.fail(request, response, error);
    };
    let target: Target;
    try {
      if (!isPrepared()) throw databaseUnavailable();
      if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
      const found = findTarget(options, (name) => headerOf(request, name));
      target = found instanceof Promise ? await found : found;
    } catch (error) {
      note("refused");
      return fail(asDatabaseProblem(error));
    }
    if (isGone(response)) return note("client_gone");
    const session = sessions.get(target.hostId, lane);
    if (!session) {
      note("refused");
      return fail(hostUnavailable(target.hostId));
    }
    response.setHeader(requestIdHeader, requestId);
    const bearer = sessions.bearerOf(target.hostId);
    const call = {
      method: request.method ?? "POST",
      path: request.url ?? path,
      headers: request.headers,
      target,
      bearer,
      requestId,
    };
    const outcome = await forward({ call, request, response, session, maxBodyBytes, fail });
    note(outcome);
    if (outcome === "host_gone") log.warn("relay.host_gone", { rpc: path, host: target.hostId, requestId });
  }

  return {
    handle(request, response) {
      const path = request.url?.split("?", 1)[0] ?? "";
      const lane = laneOfPath(path);
      if (lane === undefined) return false;
      relay(request, response, path, lane).catch((error: unknown) => {
        log.error("relay.failed", { rpc: path, error });
        response.destroy();
      });
      return true;
    },
  };
}
