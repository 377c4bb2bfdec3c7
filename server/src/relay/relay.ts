/** Relays the calls of the data plane to the host that has the sandbox, unread. */
import { answerProblem } from "@daytonah/lib/answer-problem.ts";
import { bodyTooLarge } from "@daytonah/lib/body-too-large.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { headerOf, isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { requestIdHeader, requestIdOf } from "@daytonah/lib/request-id.ts";
import { createRpcListener } from "@daytonah/lib/rpc-listener.ts";
import { readFilesAddress } from "@daytonah/lib/sandbox-files.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import { hostUnavailable } from "../hosts/host-problem.ts";
import type { HostSessions, Lane } from "../hosts/host-sessions.ts";
import { dataPlaneRoutes, laneOfPath } from "./data-plane.ts";
import { findFilesTarget, findTarget, type Target, type TargetOptions } from "./find-target.ts";
import { type ForwardOutcome, forward } from "./forward.ts";

export interface Relay {
  /** Answers a call of the data plane; says false, and does nothing, for any other path. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
}

export interface RelayOptions extends TargetOptions {
  readonly isPrepared: () => boolean;
  readonly sessions: HostSessions;
  readonly maxBodyBytes: number;
  readonly log: Logger;
  readonly onAdmitted: (request: NodeRequest) => void;
  readonly onRelayed: (relayed: { rpc: string; outcome: ForwardOutcome | "refused"; seconds: number }) => void;
}

/** What is relayed: an rpc of the data plane, or files over plain HTTP. */
interface Relayed {
  /** For metrics and logs. */
  readonly name: string;
  readonly lane: Lane;
  readonly maxBodyBytes: number;
  find(): Target | Promise<Target>;
  /** Answers with an error in the form that such a client reads. */
  refuse(error: unknown, requestId: string): void;
}

export function createRelay(options: RelayOptions): Relay {
  const { isPrepared, sessions, maxBodyBytes, log, onRelayed } = options;
  const refusals = createRpcListener({ routes: dataPlaneRoutes, maxBodyBytes, log });

  async function relay(request: NodeRequest, response: NodeResponse, kind: Relayed): Promise<void> {
    const { name, lane, maxBodyBytes } = kind;
    const startedAt = performance.now();
    const requestId = requestIdOf(request.headers[requestIdHeader]);
    const note = (outcome: ForwardOutcome | "refused") =>
      onRelayed({ rpc: name, outcome, seconds: (performance.now() - startedAt) / 1000 });
    request.headers[requestIdHeader] = requestId;
    const fail = (error: unknown) => {
      if (!isGone(response)) kind.refuse(error, requestId);
    };
    using held = new DisposableStack();
    let target: Target;
    try {
      if (!isPrepared()) throw databaseUnavailable();
      if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
      const found = kind.find();
      target = found instanceof Promise ? await found : found;
      held.use(options.calls.enter(target.orgId, "streams"));
    } catch (error) {
      note("refused");
      return fail(asDatabaseProblem(error));
    }
    options.onAdmitted(request);
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
      path: request.url ?? "",
      headers: request.headers,
      target,
      bearer,
      requestId,
    };
    const outcome = await forward({ call, request, response, session, maxBodyBytes, fail });
    note(outcome);
    if (outcome === "host_gone") log.warn("relay.host_gone", { rpc: name, host: target.hostId, requestId });
  }

  function kindOf(request: NodeRequest, response: NodeResponse): Relayed | undefined {
    const url = request.url ?? "";
    const method = request.method ?? "";
    const header = (name: string) => headerOf(request, name);
    const path = url.split("?", 1)[0] as string;
    const lane = laneOfPath(path);
    if (lane) {
      const refuse = (error: unknown) => refusals.fail(request, response, error);
      return { name: path.slice(1), lane, maxBodyBytes, find: () => findTarget(options, header), refuse };
    }
    const address = readFilesAddress(url);
    if (!address) return undefined;
    return {
      ...{ name: address.resource, lane: "bulk", maxBodyBytes: Number.POSITIVE_INFINITY },
      find: () => findFilesTarget(options, address, method, header),
      refuse(error, requestId) {
        request.resume(); // what the client still sends is thrown away
        answerProblem(response, error, { requestId, head: method === "HEAD" });
      },
    };
  }

  return {
    handle(request, response) {
      const kind = kindOf(request, response);
      if (!kind) return false;
      relay(request, response, kind).catch((error: unknown) => {
        log.error("relay.failed", { rpc: kind.name, error });
        response.destroy();
      });
      return true;
    },
  };
}
