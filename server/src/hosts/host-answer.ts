/** What a host's daemon answers to plain HTTP/2. */
import type http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { Problem } from "@daytonah/lib/problem.ts";
import { hostProblem, hostUnavailable } from "./host-problem.ts";

/** An error with its details is far shorter. */
const maxErrorBytes = 64 * 1024;

/** The status; rejects where the stream ends without one. */
export function answerOf(stream: http2.ClientHttp2Stream, hostId: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let cause: unknown;
    stream.on("error", (error) => {
      cause = error;
    });
    stream.once("response", (headers) => resolve(headers[":status"] ?? 0));
    stream.once("close", () => reject(hostUnavailable(hostId, cause)));
  });
}

/** The problem that the body is of an answer with this status. */
export async function refusalOf(stream: http2.ClientHttp2Stream, hostId: string, status: number): Promise<Problem> {
  const unexpected = new ConnectError(`the host answered with ${status}`, Code.Unavailable);
  return hostProblem(hostId, errorFromJsonBytes(await bodyOf(stream), undefined, unexpected));
}

async function bodyOf(stream: http2.ClientHttp2Stream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxErrorBytes) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
