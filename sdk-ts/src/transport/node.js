/**
 * Connect over one HTTP/2 connection: a call is about a third quicker than with `fetch`, many at once share the connection,
 * and PINGs find out that a silent peer is gone.
 */
import { Agent as HttpAgent } from "node:http";
import { constants } from "node:http2";
import { Agent as HttpsAgent } from "node:https";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

const streamWindowBytes = 4 * 1024 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;
const ping = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000 };
export function createTransport({ baseUrl, httpVersion }) {
  if (httpVersion === "2") {
    return createConnectTransport({ baseUrl, httpVersion, sessionManager: wideSessions(baseUrl) });
  }
  const agent = new (baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent)({ keepAlive: true });
  return createConnectTransport({ baseUrl, httpVersion, nodeOptions: { agent } });
}
/** Sessions whose windows let a download use a distant server's whole line; HTTP/2 starts at 64 KiB a round trip. */
function wideSessions(baseUrl) {
  const inner = new Http2SessionManager(baseUrl, ping, {
    settings: { initialWindowSize: streamWindowBytes, enablePush: false },
  });
  const widened = new WeakSet();
  return {
    authority: inner.authority,
    notifyResponseByteRead: (stream) => inner.notifyResponseByteRead(stream),
    async request(...args) {
      const stream = await inner.request(...args);
      const session = stream.session;
      if (session && !widened.has(session)) {
        widened.add(session);
        session.setLocalWindowSize(connectionWindowBytes);
      }
      failUnanswered(stream);
      return stream;
    },
  };
}
/**
 * A peer that ends its connection in good order (NO_ERROR) before it answered leaves connect-node waiting for ever: it fails a
 * call only for reset codes that are errors.
 */
function failUnanswered(stream) {
  let answered = false;
  stream.once("response", () => {
    answered = true;
  });
  stream.once("close", () => {
    if (answered || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    stream.emit("error", new ConnectError("The connection ended before the answer.", Code.Unavailable));
  });
}
//# sourceMappingURL=node.js.map
