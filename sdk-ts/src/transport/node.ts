/**
 * Connect over one HTTP/2 connection: a call is about a third quicker than with `fetch`, many at once share the connection,
 * and PINGs find out that a silent peer is gone.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Agent as HttpAgent } from "node:http";
import { type ClientHttp2Stream, constants } from "node:http2";
import { Agent as HttpsAgent } from "node:https";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { TransportOptions } from "./transport-options.ts";

/** `fetch` of Node sends a body as it comes. */
export const streamsUploads = true;

const streamWindowBytes = 4 * 1024 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;
const ping = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000 };

export function createTransport({ baseUrl, httpVersion }: TransportOptions): Transport {
  if (httpVersion === "2") {
    return endingStreams(createConnectTransport({ baseUrl, httpVersion, sessionManager: wideSessions(baseUrl) }));
  }
  const agent = new (baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent)({ keepAlive: true });
  return createConnectTransport({ baseUrl, httpVersion, nodeOptions: { agent } });
}

/** Sessions whose windows let a download use a distant server's whole line; HTTP/2 starts at 64 KiB a round trip. */
function wideSessions(baseUrl: string): Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead"> {
  const inner = new Http2SessionManager(baseUrl, ping, {
    settings: { initialWindowSize: streamWindowBytes, enablePush: false },
  });
  const widened = new WeakSet<object>();
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
      destroyOnAbort(stream, callSignal.getStore());
      return stream;
    },
  };
}

/**
 * A peer that ends its connection in good order (NO_ERROR) before it answered leaves connect-node waiting for ever: it fails a
 * call only for reset codes that are errors.
 */
function failUnanswered(stream: ClientHttp2Stream): void {
  let answered = false;
  stream.once("response", () => {
    answered = true;
  });
  stream.once("close", () => {
    if (answered || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    stream.emit("error", new ConnectError("The connection ended before the answer.", Code.Unavailable));
  });
}

/** The signal of the streaming call that a request is made for. */
const callSignal = new AsyncLocalStorage<AbortSignal | undefined>();

function endingStreams(inner: Transport): Transport {
  return {
    unary: (...call) => inner.unary(...call),
    stream: (...call) => callSignal.run(call[1], () => inner.stream(...call)),
  };
}

/**
 * A call that is left while the server's last bytes lie unread would keep its stream, and with it Node, alive: connect-node
 * resets only streams that the server has not ended.
 */
function destroyOnAbort(stream: ClientHttp2Stream, signal: AbortSignal | undefined): void {
  // After connect-node's own listener, so that a stream still open is reset with the right code.
  const onAbort = () => void setImmediate(() => stream.closed && stream.destroy());
  signal?.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => signal?.removeEventListener("abort", onAbort));
}
