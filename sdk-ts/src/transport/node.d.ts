import { type Transport } from "@connectrpc/connect";
import type { TransportOptions } from "./transport-options.ts";
export declare function createTransport({ baseUrl, httpVersion }: TransportOptions): Transport;
