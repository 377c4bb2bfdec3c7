/** Ports of sandboxes at the control plane: by their host names under our domain, and as bare bytes beside the API. */
import type http from "node:http";
import type { Socket } from "node:net";
import type { PreviewMeter } from "@daytonah/lib/edge/preview-meter.ts";
import { createPreviewProxy } from "@daytonah/lib/edge/preview-proxy.ts";
import { responseOn } from "@daytonah/lib/edge/response-on.ts";
import { tcpTargetOf, upgradeToTcp } from "@daytonah/lib/edge/tcp-upgrade.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { headerOf, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { answerUnknownCall } from "@daytonah/lib/unknown-call.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import type { Clock } from "../domain/clock.ts";
import type { HostSessions } from "../hosts/host-sessions.ts";
import { findTarget, sandboxIdHeader, type TargetOptions } from "../relay/find-target.ts";
import { dialHostPort } from "./dial-host-port.ts";
import type { PreviewRoutes } from "./preview-routes.ts";

export interface PortEdge extends Disposable {
  /** Answers a request whose host name is a port's; says false, and does nothing, for any other. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
  /** Answers every request to leave HTTP. */
  upgrade(request: http.IncomingMessage, socket: Socket, head: Buffer): void;
}

export interface PortEdgeOptions extends TargetOptions {
  readonly previews: PreviewRoutes;
  /** Ports' host names are right below it. */
  readonly domain: string;
  readonly isPrepared: () => boolean;
  readonly sessions: HostSessions;
  readonly clock: Clock;
  readonly onAdmitted: (request: NodeRequest) => void;
  readonly meter: PreviewMeter;
  readonly log: Logger;
}

export function createPortEdge(options: PortEdgeOptions): PortEdge {
  const { previews, domain, isPrepared, sessions, clock, log, onAdmitted, meter } = options;
  const proxy = createPreviewProxy({
    serves: (name) => name === domain,
    lookup: async (sandboxId) => (await previews.get(sandboxId))?.access,
    dial: async ({ sandboxId, port, asPublic }, { signal }) => {
      const route = await previews.get(sandboxId);
      if (!route?.target) throw route?.access.unavailable ?? databaseUnavailable(); // it has just been let in
      return dialHostPort(sessions, route.target, port, { signal, asPublic });
    },
    now: () => new Date(clock.now()),
    log,
    onAdmitted,
    meter,
  });

  const targetFor = async (request: http.IncomingMessage, sandboxId: string) => {
    if (!isPrepared()) throw databaseUnavailable();
    try {
      return await findTarget(options, (name) => (name === sandboxIdHeader ? sandboxId : headerOf(request, name)));
    } catch (error) {
      throw asDatabaseProblem(error);
    }
  };

  return {
    handle: (request, response) => proxy.handle(request, response),
    upgrade(request, socket, head) {
      if (proxy.upgrade(request, socket, head)) return;
      const asked = tcpTargetOf(request);
      if (!asked) return answerUnknownCall(request, responseOn(request, socket));
      const open = async (signal: AbortSignal) => {
        const target = await targetFor(request, asked.sandboxId);
        signal.throwIfAborted();
        const counted = options.calls.enter(target.orgId, "streams");
        socket.once("close", () => counted[Symbol.dispose]());
        onAdmitted(request);
        return dialHostPort(sessions, target, asked.port, { signal });
      };
      void upgradeToTcp({ request, socket, head, open, log });
    },
    [Symbol.dispose]: () => proxy[Symbol.dispose](),
  };
}
