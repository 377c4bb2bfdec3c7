/** What a connection to a host needs: both sides show certificates of our authority, and the host's has its name. */
import type tls from "node:tls";
import { http2ClientSettings } from "@daytonah/lib/http2-settings.ts";

/** Read at each connection: certificates are renewed. */
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
  /** Its name in its certificate. */
  readonly tlsName: string;
  readonly credentials: HostCredentials;
}

/** `servername`: Node then checks that the certificate is this very host's, wherever it was dialled. Each connect reads the getters anew. */
export function tlsOptionsOf(host: HostAddress) {
  return {
    ca: host.credentials.authority,
    get cert() {
      return host.credentials.certificate;
    },
    get key() {
      return host.credentials.key;
    },
    servername: host.tlsName,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    ...http2ClientSettings,
  } as const satisfies tls.ConnectionOptions & object;
}
