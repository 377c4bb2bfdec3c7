/** What both transports are made from. */
export interface TransportOptions {
  readonly baseUrl: string;
  /** Node only: "1.1" for a server or proxy that has no HTTP/2. */
  readonly httpVersion: "1.1" | "2";
}
