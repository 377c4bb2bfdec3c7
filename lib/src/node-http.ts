/** Requests and responses of Node's HTTP/1.1 and HTTP/2 servers. */
import type http from "node:http";
import http2 from "node:http2";

export type NodeRequest = http.IncomingMessage | http2.Http2ServerRequest;
export type NodeResponse = http.ServerResponse | http2.Http2ServerResponse;
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => void;

/**
 * Whether the client has left, or was answered whole. Not `response.destroyed`: Http2ServerResponse is typed as having it
 * and has not, so it reads as undefined there.
 */
export function isGone(response: NodeResponse): boolean {
  if (!("stream" in response)) return response.destroyed;
  const { stream } = response as { readonly stream: http2.ServerHttp2Stream | undefined };
  return stream === undefined || stream.destroyed || stream.closed;
}

/** The first of them, where a header came more than once. */
export function headerOf(request: NodeRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** So that no client takes what it got for a clean end. */
export function breakOff(response: NodeResponse): void {
  if (isGone(response)) return;
  if ("stream" in response) response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}

/** Of an answer (RFC 9110, 15). Node throws at others when it is to send them over HTTP/2. */
export function isFinalStatus(status: number): boolean {
  return status >= 200 && status <= 599;
}
