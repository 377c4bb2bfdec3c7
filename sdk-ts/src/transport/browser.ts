/** Connect over `fetch`: browsers, and whatever else is not Node. */
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import type { TransportOptions } from "./transport-options.ts";

export function createTransport({ baseUrl }: TransportOptions): Transport {
  return createConnectTransport({ baseUrl, useBinaryFormat: true });
}
