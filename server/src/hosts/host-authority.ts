/** The port to the control plane's own certificate authority: what joining and renewing hosts need of it. */
export interface HostAuthority {
  /** PEM. Who shows a certificate of it with the server's name, and the bearer, is the control plane. */
  readonly certificate: string;
  /** Names the authority in join tokens. */
  readonly fingerprint: string;
  /** How long its certificates are good for. */
  readonly leafLifeMs: number;
  /** The secret that the server shows to the host of this name beside its certificate. */
  bearerOf(tlsName: string): string;
  /** Digest of the key in a PKCS #10 request; throws FIELD_INVALID where it is none, or not signed by that key. */
  keyDigestOf(request: Uint8Array): Promise<Buffer>;
  /** A certificate for the request's key, PEM, for a host of this name whatever the request says. */
  certify(request: Uint8Array, tlsName: string, now: number): Promise<string>;
  /** Renews what the server itself shows to hosts, where it is time. */
  renewOwn(now: number): Promise<void>;
}
