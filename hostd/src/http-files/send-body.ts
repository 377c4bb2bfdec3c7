/** Content as a response's body, as fast as the client takes it. */
import type { OutgoingHttpHeaders } from "node:http";
import { isGone, type NodeResponse } from "@daytonah/lib/node-http.ts";

/** The response is the client's to look at, not its browser's to show: what is in it is a stranger's. */
const harmless = { "x-content-type-options": "nosniff", "content-security-policy": "sandbox" };

export function sendHeaders(response: NodeResponse, status: number, headers: OutgoingHttpHeaders): void {
  // Node's two classes declare the same method differently.
  (response as { writeHead(status: number, headers: OutgoingHttpHeaders): void }).writeHead(status, {
    ...harmless,
    ...headers,
  });
}

/** Ends the response after the last piece; where the content fails or `signal` aborts, the caller breaks it off. */
export async function sendBody(
  response: NodeResponse,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const write = (bytes: Uint8Array) => (response as { write(bytes: Uint8Array): boolean }).write(bytes);
  for await (const piece of content) {
    signal.throwIfAborted();
    if (!write(piece)) await drained(response, signal);
  }
  response.end();
}

export function sendJson(response: NodeResponse, body: unknown, headers: OutgoingHttpHeaders = {}): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  sendHeaders(response, 200, { ...headers, "content-type": "application/json", "content-length": text.length });
  (response as { end(body: Uint8Array): void }).end(text);
}

function drained(response: NodeResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      response.off("drain", settle).off("close", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted || isGone(response)) reject(signal.reason ?? new Error("the client went away"));
      else resolve();
    };
    response.on("drain", settle).on("close", settle);
    signal.addEventListener("abort", settle);
    if (signal.aborted || isGone(response)) settle();
  });
}
