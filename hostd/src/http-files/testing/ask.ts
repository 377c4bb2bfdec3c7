/** Plain HTTP as a client without any library of ours speaks it, over both versions of the protocol. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type { Readable, Writable } from "node:stream";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Rejects where it breaks off. */
  readonly body: () => Promise<Buffer>;
  readonly stream: Readable;
}

export interface Question {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Writes the body itself, and ends it or not. */
  readonly write?: (body: Writable) => unknown;
}

export type Ask = (method: string, path: string, question?: Question) => Promise<Answer>;

export function askHttp1(origin: string): Ask {
  return async (method, path, { headers = {}, body, write } = {}) => {
    const request = http.request(`${origin}${path}`, { method, headers, agent: false });
    request.on("error", () => undefined); // what matters is whether an answer comes
    if (write) write(request);
    else request.end(body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    return answerOf(response.statusCode ?? 0, response.headers, response);
  };
}

export function askHttp2(session: http2.ClientHttp2Session, common: Readonly<Record<string, string>>): Ask {
  return async (method, path, { headers = {}, body, write } = {}) => {
    const stream = session.request({ ":method": method, ":path": path, ...common, ...headers }, { endStream: false });
    stream.on("error", () => undefined);
    if (write) write(stream);
    else stream.end(body);
    const [answered] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
    return answerOf(Number(answered[":status"]), answered, stream);
  };
}

function answerOf(status: number, headers: http.IncomingHttpHeaders, stream: Readable): Answer {
  return {
    ...{ status, headers: headers as Record<string, string>, stream },
    async body() {
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part as Buffer);
      if ("rstCode" in stream && stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) throw new Error("reset");
      return Buffer.concat(parts);
    },
  };
}
