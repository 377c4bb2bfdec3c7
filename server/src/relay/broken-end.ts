/** How a stream that broke after its headers went out tells its client why, in the client's protocol. */
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";

export type BrokenEnd =
  /** A last message, where none is half through. */
  | { readonly t: "message"; readonly bytes: Uint8Array }
  /** HTTP trailers, which may come anywhere. */
  | { readonly t: "trailers"; readonly trailers: Readonly<Record<string, string>> }
  /** No word fits: the connection or stream is broken off. */
  | { readonly t: "break" };

export function brokenEndOf(contentType: string, error: ConnectError): BrokenEnd {
  if (contentType.startsWith("application/connect+")) {
    const end = Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
    return { t: "message", bytes: encodeEnvelope(endStreamFlag, end) };
  }
  if (contentType.startsWith("application/grpc-web")) {
    const trailer = setTrailerStatus(new Headers(), error);
    return { t: "message", bytes: encodeEnvelope(trailerFlag, trailerSerialize(trailer)) };
  }
  if (contentType.startsWith("application/grpc")) {
    return { t: "trailers", trailers: Object.fromEntries(setTrailerStatus(new Headers(), error)) };
  }
  return { t: "break" };
}

/** Whether bodies of this type are made of envelopes. */
export function isEnveloped(contentType: string): boolean {
  return /^application\/(connect\+|grpc)/.test(contentType);
}
