/**
 * A port of a sandbox as bare bytes: `GET /v1/sandboxes/<id>/ports/<port>` with `Upgrade: dnah-tcp` is answered by 101,
 * and from then on the connection is the program's. docs/ports.md tells what clients see.
 */
import type http from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "../log.ts";
import { problem, problemOf } from "../problem.ts";
import { answerFailure } from "./failure-page.ts";
import type { GuestPort } from "./guest-connections.ts";
import { joinStreams } from "./join-streams.ts";
import { responseOn } from "./response-on.ts";

const protocol = "dnah-tcp";

/** The port that a request asks to be connected to; undefined where it asks for something else. */
export function tcpTargetOf({ method, url, headers }: http.IncomingMessage): GuestPort | undefined {
  if (method !== "GET" || headers.upgrade?.toLowerCase() !== protocol) return undefined;
  const match = /^\/v1\/sandboxes\/([a-z0-9]{1,63})\/ports\/([1-9]\d{0,4})$/.exec(url ?? "");
  const port = Number(match?.[2]);
  return match && port <= 65_535 ? { sandboxId: match[1] as string, port } : undefined;
}

export interface TcpUpgrade {
  readonly request: http.IncomingMessage;
  readonly socket: Socket;
  /** What the client sent behind its request. */
  readonly head: Buffer;
  /** Lets the client in and connects; throws the problem that it gets. `signal` aborts when the client goes away first. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  readonly log: Logger;
}

export async function upgradeToTcp({ request, socket, head, open, log }: TcpUpgrade): Promise<void> {
  const leaving = new AbortController();
  const onClose = () => leaving.abort(new Error("the client went away"));
  socket.once("close", onClose);
  socket.on("error", () => undefined); // its close is what counts
  socket.allowHalfOpen = true;
  try {
    const stream = await open(leaving.signal);
    socket.off("close", onClose);
    if (socket.destroyed) return void stream.destroy();
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    joinStreams({ stream: socket, head }, { stream });
  } catch (error) {
    socket.off("close", onClose);
    const known = problemOf(error);
    if (!known && !leaving.signal.aborted) log.error("tcp.failed", { error });
    const failure = known ?? problem("INTERNAL", "The platform failed to do this.", { cause: error });
    answerFailure(request, responseOn(request, socket), failure);
  }
}
