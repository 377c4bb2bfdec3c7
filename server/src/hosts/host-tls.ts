/** What a connection to a host needs: both sides show certificates of our authority, and the host's has its id. */
import type tls from "node:tls";
import { http2ClientSettings } from "@daytonah/lib/http2-settings.ts";

export interface HostCredentials {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly bearer: string;
}

export interface HostAddress {
  readonly hostId: string;
  /** Its daemon's origin. */
  readonly url: string;
  readonly credentials: HostCredentials;
}

/** `servername`: Node then checks that the certificate is this very host's, wherever it was dialled. */
export function tlsOptionsOf(host: HostAddress) {
  return {
    ca: host.credentials.authority,
    cert: host.credentials.certificate,
    key: host.credentials.key,
    servername: host.hostId,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    ...http2ClientSettings,
  } as const satisfies tls.ConnectionOptions & object;
}
