/** Clients of a fake platform, one for each way to reach it. */
import { Client } from "../client.ts";
import type { ClientOptions } from "../client-options.ts";
import { createTransport as createFetchTransport } from "../transport/browser.ts";
import { type ServedFake, serveFake } from "./serve-fake.ts";

export interface Way {
  readonly name: string;
  readonly httpVersion: "1.1" | "2";
  readonly fetch: boolean;
  /** Straight to the host's edge. */
  readonly direct?: boolean;
}

export const ways: readonly Way[] = [
  { name: "Node over HTTP/2", httpVersion: "2", fetch: false },
  { name: "Node over HTTP/1.1", httpVersion: "1.1", fetch: false },
  { name: "fetch", httpVersion: "1.1", fetch: true },
  { name: "Node, straight to the host", httpVersion: "2", fetch: false, direct: true },
];

export interface FakeWithClient extends ServedFake {
  readonly client: Client;
}

/** A fake platform and a client of it that waits little between tries. */
export async function fakeWithClient(way = ways[0] as Way, options: ClientOptions = {}): Promise<FakeWithClient> {
  const served = await serveFake();
  const { url, platform, edge } = served;
  if (way.direct) platform.directUrl = edge.url;
  const { httpVersion } = way;
  const transport = way.fetch ? { transport: createFetchTransport({ baseUrl: url, httpVersion }) } : {};
  const direct = way.direct ? ({ direct: "always" } as const) : {};
  const fixed = { url, apiKey: platform.apiKey, httpVersion, retryDelayMs: 2 };
  const client = new Client({ ...fixed, ...direct, ...transport, ...options });
  return { ...served, client, [Symbol.asyncDispose]: () => served[Symbol.asyncDispose]() };
}
