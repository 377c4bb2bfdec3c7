/** What the daemon shows now, and how it is renewed while calls go on. */
import { type HostPki, PkiDir } from "./pki-dir.ts";

export interface HostIdentity {
  readonly current: HostPki;
  /** Hears of each renewal. */
  onRenewed: (pki: HostPki) => void;
  /** PKCS #10, DER. */
  request(): Promise<Uint8Array>;
  install(certificate: string): void;
}

export function openHostIdentity(dir: string): HostIdentity {
  const files = new PkiDir(dir);
  let current = files.read();
  const identity: HostIdentity = {
    get current() {
      return current;
    },
    onRenewed: () => undefined,
    request: () => files.request(),
    install(certificate) {
      current = files.install(certificate);
      identity.onRenewed(current);
    },
  };
  return identity;
}
