/** Connect over `fetch`: browsers, and whatever else is not Node. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { TransportOptions } from "./transport-options.ts";

/** `fetch` of browsers sends bodies only whole. */
export const streamsUploads = false;

export function createTransport({ baseUrl }: TransportOptions): Transport {
  return createConnectTransport({ baseUrl, useBinaryFormat: true });
}
