/** What ports of a sandbox are, and how they are asked for. */

/** A TCP port that a program in the sandbox listens on. */
export interface ListeningPort {
  /** 1 to 65535. */
  readonly port: number;
  /** Address it is bound to, such as "127.0.0.1", "0.0.0.0" or "::". Each can be reached. */
  readonly address: string;
  /** pid that listens; undefined where not known. */
  readonly pid: number | undefined;
  /** Name of the program. */
  readonly command: string;
}

/** Options of `sandbox.ports.url`. */
export interface PortUrlOptions {
  /** How long its token lets in, milliseconds, 1 s to 7 days; 1 hour where absent. */
  readonly ttlMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Addresses of a port. Whoever has one can hand it on. */
export interface PortUrl {
  /** By the platform's domain, with the token in it: survives a move to another host. */
  readonly url: string;
  /** Straight to the host, with the token in it; undefined where it has no edge. */
  readonly directUrl: string | undefined;
  /** The token alone, for the header `dnah-port-token`. */
  readonly token: string;
  /** When the token ends. */
  readonly expireTime: Date;
}

/** Options of `sandbox.ports.forward`. */
export interface ForwardOptions {
  /** Port to listen on here; a free one where absent or 0. */
  readonly localPort?: number | undefined;
  /** Address to listen on here; 127.0.0.1 where absent. */
  readonly localHost?: string | undefined;
  /** Told about each connection that could not be made: a ConflictError (PORT_CLOSED) where nothing listens, say. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Aborting it closes the forward. */
  readonly signal?: AbortSignal | undefined;
}

/** A listener on this machine whose connections lead to a sandbox's port. */
export interface PortForward extends AsyncDisposable {
  /** Address it listens on. */
  readonly localHost: string;
  /** Port it listens on. */
  readonly localPort: number;
  /** Ends the listener and all its connections. */
  close(): Promise<void>;
}

/** @internal */
export interface TcpTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}
