/** Carries one gRPC call to an HTTP/2 server in a guest: headers, messages and trailers as they come, a break for a break. */
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { type Forwarded, unanswered } from "./forward-http1.ts";
import { groupHeaders, headersForClient, rawOf } from "./guest-headers.ts";
import { breakOffStream, wasReset } from "./join-streams.ts";

export async function forwardGrpc(forwarded: Forwarded): Promise<void> {
  const { connections, target, meter, fail } = forwarded;
  const request = forwarded.request as Http2ServerRequest;
  const response = forwarded.response as Http2ServerResponse;
  const client = response.stream;
  let upstream: http2.ClientHttp2Stream;
  try {
    const session = await connections.http2(target);
    if (client.destroyed) return;
    const { host, ...headers } = groupHeaders(forwarded.headers);
    upstream = session.request(
      {
        ":method": request.method,
        ":path": forwarded.path,
        ":scheme": "http",
        ":authority": host?.[0] ?? target.sandboxId,
        ...headers,
      },
      { endStream: request.stream.endAfterHeaders },
    );
  } catch (error) {
    return fail(unanswered(target, error));
  }
  let cause: unknown;
  client.on("error", () => undefined); // its close is what counts
  client.once("close", () => breakOffStream(upstream));
  meter.count(client, "to_guest");
  client.pipe(upstream, { end: false });
  client.once("end", () => {
    if (!wasReset(client)) upstream.end(); // a call that was broken off must not look as if all had been said
  });
  upstream.once("response", (headers) => {
    if (client.destroyed) return;
    const answer = groupHeaders(headersForClient(rawOf(headers)));
    const endStream = upstream.endAfterHeaders;
    try {
      client.respond({ ...answer, ":status": headers[":status"] }, { endStream, waitForTrailers: !endStream });
    } catch (error) {
      cause = error; // a status that there is not, say; the close tells the client
      return upstream.close(http2.constants.NGHTTP2_CANCEL);
    }
    if (endStream) return;
    meter.count(upstream, "to_client");
    upstream.pipe(client);
  });
  upstream.once("trailers", (headers) => response.addTrailers(groupHeaders(rawOf(headers))));
  upstream.once("error", (error) => {
    cause = error;
  });
  upstream.once("close", () => {
    if (client.destroyed) return;
    if (!client.headersSent) fail(unanswered(target, cause));
    else if (upstream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) breakOffStream(client);
  });
}
