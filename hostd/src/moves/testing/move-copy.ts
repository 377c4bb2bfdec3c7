/** Moves as the control plane makes them: what one daemon answers to GET is written to another by PUT. */
import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { pipeline } from "node:stream/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { type MoveAddress, moveAddress } from "@daytonah/lib/move-address.ts";
import { problemOf } from "@daytonah/lib/problem.ts";

export interface Peer {
  readonly session: ClientHttp2Session;
  readonly bearer?: string;
}

export function ask({ session, bearer = "" }: Peer, method: string, address: MoveAddress) {
  const headers = { authorization: `Bearer ${bearer}` };
  const stream = session.request({ ":method": method, ":path": moveAddress(address), ...headers });
  const status = new Promise<number>((resolve, reject) => {
    stream.once("response", (got: IncomingHttpHeaders & IncomingHttpStatusHeader) => resolve(got[":status"] ?? 0));
    stream.once("error", reject);
    stream.once("close", () => reject(new Error("there was no answer")));
  });
  status.catch(() => undefined);
  return { stream, status };
}

/** Status and reason of a refusal, or just the status. */
export async function answerOf({ stream, status }: ReturnType<typeof ask>): Promise<[number, string?]> {
  const got = await status;
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  if (got === 200) return [got];
  const error = errorFromJsonBytes(Buffer.concat(parts), undefined, new ConnectError("no body", Code.Unknown));
  return [got, problemOf(error)?.reason ?? error.message];
}

/** How many bytes went over. */
export async function moveCopy(from: Peer, source: MoveAddress, to: Peer, target: MoveAddress): Promise<number> {
  const read = ask(from, "GET", source);
  if ((await read.status) !== 200) throw new Error(`GET: ${await answerOf(read)}`);
  const write = ask(to, "PUT", target);
  let bytes = 0;
  read.stream.on("data", (piece: Buffer) => {
    bytes += piece.length;
  });
  await pipeline(read.stream, write.stream, { end: true }).catch(() => undefined); // the answer tells
  const [status, reason] = await answerOf(write);
  if (status !== 200) throw new Error(`PUT: ${status} ${reason}`);
  return bytes;
}
