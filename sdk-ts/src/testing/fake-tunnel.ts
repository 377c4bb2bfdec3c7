/** Bare TCP to a fake sandbox's port: the upgrade to `dnah-tcp`. */
import type http from "node:http";
import type { Duplex } from "node:stream";
import { Code } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { fakeError } from "./fake-error.ts";
import type { FakeState } from "./fake-state.ts";

export function fakeTunnel(
  platform: FakeState,
  isDirect: boolean,
  request: http.IncomingMessage,
  socket: Duplex,
): void {
  const [, id = "", port] = /^\/v1\/sandboxes\/([a-z0-9]+)\/ports\/(\d+)$/.exec(request.url ?? "") ?? [];
  const serve = platform.admit("tunnel", id, request.headers.authorization, isDirect).servers.get(Number(port));
  if (serve) {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: dnah-tcp\r\n\r\n");
    serve(socket);
    return;
  }
  const error = fakeError(Code.FailedPrecondition, "PORT_CLOSED", `Nothing listens on port ${port}.`);
  const body = JSON.stringify(errorToJson(error, undefined));
  socket.end(`HTTP/1.1 ${codeToHttpStatus(error.code)} No\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}
