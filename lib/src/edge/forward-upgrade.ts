/** Carries a connection that leaves HTTP, such as a WebSocket's, to a program in a guest: bytes both ways, and each end. */
import http from "node:http";
import type { Duplex } from "node:stream";
import type { Problem } from "../problem.ts";
import { unanswered } from "./forward-http1.ts";
import type { Destination, GuestConnections } from "./guest-connections.ts";
import { headersForClient, type RawHeaders } from "./guest-headers.ts";
import { joinStreams } from "./join-streams.ts";
import type { PreviewMeter } from "./preview-meter.ts";

export interface ForwardedUpgrade {
  readonly connections: GuestConnections;
  readonly target: Destination;
  readonly meter: PreviewMeter;
  readonly request: http.IncomingMessage;
  readonly socket: Duplex;
  /** What the client sent behind its request. */
  readonly head: Buffer;
  readonly path: string;
  readonly headers: RawHeaders;
  /** Passes on what the guest answers where it does not upgrade. */
  readonly answer: (answer: http.IncomingMessage) => void;
  readonly fail: (error: Problem) => void;
}

export function forwardUpgrade(forwarded: ForwardedUpgrade): void {
  const { connections, target, request, socket, head } = forwarded;
  const protocol = request.headers.upgrade ?? "";
  const upstream = http.request({
    ...connections.http1(target, { fresh: true }),
    ...{ method: request.method ?? "GET", path: forwarded.path },
    headers: [...forwarded.headers, "Connection", "Upgrade", "Upgrade", protocol],
  });
  const leave = () => upstream.destroy();
  socket.once("close", leave);
  upstream.once("upgrade", (answer, guest, guestHead) => {
    socket.off("close", leave);
    guest.allowHalfOpen = true;
    const lines = [`HTTP/1.1 101 ${answer.statusMessage || "Switching Protocols"}`];
    const headers = [...headersForClient(answer.rawHeaders), "Connection", "Upgrade"];
    headers.push("Upgrade", answer.headers.upgrade ?? protocol);
    for (let index = 0; index < headers.length; index += 2) lines.push(`${headers[index]}: ${headers[index + 1]}`);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    forwarded.meter.count(socket, "to_guest");
    forwarded.meter.count(guest, "to_client");
    joinStreams({ stream: socket, head }, { stream: guest, head: guestHead });
  });
  upstream.once("response", (answer) => {
    socket.off("close", leave);
    forwarded.answer(answer);
  });
  upstream.once("error", (error) => {
    socket.off("close", leave);
    if (!socket.destroyed) forwarded.fail(unanswered(target, error));
  });
  upstream.end();
}
