/** A program in a sandbox that answers with what it was asked. */
import http from "node:http";
import { listening } from "./one-edge.ts";

export const echoHeaders = () =>
  listening(
    http.createServer((request, response) => {
      response.end(JSON.stringify({ url: request.url, headers: request.headers }));
    }),
  );

export interface Seen {
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
}

/** What reached the program, of its answer. */
export const seenBy = (text: string) => JSON.parse(text) as Seen;
