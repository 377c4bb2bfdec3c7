import http2 from "node:http2";
import net from "node:net";
import type { Duplex } from "node:stream";

export interface StreamEnd {
  readonly stream: Duplex;
  /** Already read of it. */
  readonly head?: Uint8Array;
}

/** Joins two streams both ways, the end of each direction too; where one breaks, so does the other. */
export function joinStreams(a: StreamEnd, b: StreamEnd): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.stream.on("error", () => undefined); // the close that follows counts
    from.stream.once("end", () => {
      if (!wasReset(from.stream)) to.stream.end();
    });
    from.stream.once("close", () => {
      // One that ended both ways has let its last bytes go to the other, which may still be writing them.
      if (!from.stream.readableEnded || !from.stream.writableFinished || wasReset(from.stream))
        breakOffStream(to.stream);
    });
    if (from.head && from.head.length > 0) to.stream.write(from.head);
    from.stream.pipe(to.stream, { end: false });
  }
}

/** An HTTP/2 stream that its peer broke off ends its readable side all the same; this tells the two apart. */
export function wasReset(stream: Duplex): boolean {
  const { rstCode, aborted } = stream as Partial<http2.Http2Stream>;
  return aborted === true || (rstCode ?? http2.constants.NGHTTP2_NO_ERROR) !== http2.constants.NGHTTP2_NO_ERROR;
}

/** So that nobody takes it for a clean end. */
export function breakOffStream(stream: Duplex): void {
  if (stream.destroyed) return;
  // `close` would send an end before its reset.
  if ("rstCode" in stream) stream.destroy(new Error("the other side broke off"));
  else if (stream instanceof net.Socket && !("encrypted" in stream)) stream.resetAndDestroy();
  else stream.destroy();
}
