/**
 * The daemon's one port: HTTP/2 over TLS, for the control plane alone. A peer must show a certificate of our authority
 * with the server's name, and a bearer with each call.
 */
import { timingSafeEqual } from "node:crypto";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { http2ServerSettings, http2SessionWindowBytes } from "@daytonah/lib/http2-settings.ts";
import type { NodeHandler, NodeRequest } from "@daytonah/lib/node-http.ts";
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { Strangers } from "@daytonah/lib/strangers.ts";

const serverName = "dnah-server";
const handshakeMs = 10_000;
/** Connections that have not shown their certificate yet; the oldest goes for the newest. */
const maxStrangers = 256;

export interface TlsIdentity {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface TlsListener extends AsyncDisposable {
  readonly address: AddressInfo;
  /** For connections made from now on; those there are go on. */
  show(identity: TlsIdentity): void;
  /** Takes no new calls, lets those under way end, and breaks them after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface ListenTlsOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: TlsIdentity;
  readonly handler: NodeHandler;
  /** Answers HTTP/2 CONNECT. */
  readonly onConnect: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;
}

export async function listenTls({ host, port, identity, handler, onConnect }: ListenTlsOptions): Promise<TlsListener> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createSecureServer(
    {
      ...http2ServerSettings,
      ...contextOf(identity),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: handshakeMs,
      noDelay: true,
    },
    (request, response) => handler(request, response),
  );
  const strangers = new Strangers({ strangers: maxStrangers });
  server.on("connection", (socket) => strangers.admit(socket));
  server.on("secureConnection", (socket) => strangers.forget(socket));
  server.on("connect", onConnect);
  server.on("session", (session) => {
    const peer = (session.socket as TLSSocket).getPeerCertificate();
    if (peer.subject?.CN !== serverName) return session.destroy();
    session.setLocalWindowSize(http2SessionWindowBytes);
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", () => undefined); // the peer's doing; its calls end with it
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });

  const close = async (graceMs: number) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const session of sessions) session.close();
    const force = setTimeout(() => {
      for (const session of sessions) session.destroy();
    }, graceMs);
    await closed;
    clearTimeout(force);
  };
  const show = (next: TlsIdentity) => server.setSecureContext(contextOf(next));
  return { address: server.address() as AddressInfo, show, close, [Symbol.asyncDispose]: () => close(0) };
}

function contextOf({ ca, certificate, key }: TlsIdentity) {
  return { ca, cert: certificate, key, minVersion: "TLSv1.3" } as const;
}

/** Says whether a request carries this bearer, in the same time for every wrong one of its length. */
export function bearerCheck(bearer: string): (request: NodeRequest) => boolean {
  const expected = Buffer.from(`Bearer ${bearer}`);
  return (request) => {
    const sent = Buffer.from(request.headers.authorization ?? "");
    return sent.length === expected.length && timingSafeEqual(sent, expected);
  };
}

/** For whoever `bearerCheck` does not know. */
export function notTheServer(): Problem {
  return problem("CREDENTIAL_INVALID", "This port is for the control plane: the bearer is missing or wrong.");
}
