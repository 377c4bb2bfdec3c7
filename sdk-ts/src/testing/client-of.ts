/** Clients of a fake platform, one for each way to reach it. */
import { Client } from "../client.ts";
import type { ClientOptions } from "../client-options.ts";
import { createTransport as createFetchTransport } from "../transport/browser.ts";
import { type ServedFake, serveFake } from "./serve-fake.ts";

export interface Way {
  readonly name: string;
  readonly httpVersion: "1.1" | "2";
  readonly fetch: boolean;
}

export const ways: readonly Way[] = [
  { name: "Node over HTTP/2", httpVersion: "2", fetch: false },
  { name: "Node over HTTP/1.1", httpVersion: "1.1", fetch: false },
  { name: "fetch", httpVersion: "1.1", fetch: true },
];

export interface FakeWithClient extends ServedFake {
  readonly client: Client;
}

/** A fake platform and a client of it that waits little between tries. */
export async function fakeWithClient(way = ways[0] as Way, options: ClientOptions = {}): Promise<FakeWithClient> {
  const served = await serveFake(way.httpVersion);
  const { url, platform } = served;
  const { httpVersion } = way;
  const transport = way.fetch ? { transport: createFetchTransport({ baseUrl: url, httpVersion }) } : {};
  const client = new Client({ url, apiKey: platform.apiKey, httpVersion, retryDelayMs: 2, ...transport, ...options });
  return { ...served, client, [Symbol.asyncDispose]: () => served[Symbol.asyncDispose]() };
}
