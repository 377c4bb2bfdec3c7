/**
 * One port for HTTP/1.1 and HTTP/2: plaintext, where HTTP/2 comes with prior knowledge (h2c, which gRPC uses), or TLS.
 *
 * Node has a server for each and none for both; an HTTP/2 client says so in its first bytes (RFC 9113, 3.4).
 */
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { http2ServerSettings } from "./http2-settings.ts";
import type { NodeHandler } from "./node-http.ts";

/** For a connection to say which protocol it speaks, and for its TLS handshake before that. */
const helloMs = 10_000;
/** The kernel asks a silent client whether it is there: one that vanished would be kept for ever by a stream without words. */
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 };
const preface = Buffer.from("PRI * HTTP/2.0");

export interface DualHttpServer extends AsyncDisposable {
  readonly address: net.AddressInfo;
  /** Takes no new connection, ends idle ones, and breaks what still runs after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

export interface DualHttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly handler: NodeHandler;
  /** For tests. */
  readonly helloMs?: number;
  /** Certificate chain and key, PEM; plaintext where absent. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Sees each connection before anything of it is read. */
  readonly onConnection?: (socket: net.Socket) => void;
  /** HTTP/2 streams of one connection at once. */
  readonly maxStreams?: number;
  readonly onUpgrade?: (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => void;
}

/**
 * Not to HTTP/2, which curl offers with every request and is spoken here without: what follows would be further requests,
 * unseen. And not with a body, which would be taken for the new protocol's.
 */
function leavesHttp({ headers }: http.IncomingMessage): boolean {
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  return !hasBody && headers.upgrade?.toLowerCase() !== "h2c";
}

export async function listenDual(options: DualHttpServerOptions): Promise<DualHttpServer> {
  const sockets = new Set<net.Socket>();
  const http1 = http.createServer(
    {
      keepAliveTimeout: 65_000,
      shouldUpgradeCallback: (request) => options.onUpgrade !== undefined && leavesHttp(request),
    },
    (request, response) => options.handler(request, response),
  );
  // A stream of output may be silent for as long as it likes.
  http1.requestTimeout = 0;
  if (options.onUpgrade) {
    const { onUpgrade } = options;
    http1.on("upgrade", (request, socket, head) => onUpgrade(request, socket as net.Socket, head));
  }
  // It never listens, and this is where Node begins to watch its connections: no header time-out would work, and
  // closeIdleConnections would find none.
  http1.emit("listening");
  const sessions = new Set<http2.ServerHttp2Session>();
  const { settings } = http2ServerSettings;
  const h2 = http2.createServer(
    {
      ...http2ServerSettings,
      settings: { ...settings, maxConcurrentStreams: options.maxStreams ?? settings.maxConcurrentStreams },
    },
    (request, response) => options.handler(request, response),
  );
  h2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  h2.on("sessionError", () => undefined); // the socket's end is handled below

  const patienceMs = options.helloMs ?? helloMs;
  const server = options.tls
    ? tls.createServer({
        ...options.tls,
        ...{ ALPNProtocols: ["h2", "http/1.1"], minVersion: "TLSv1.2", handshakeTimeout: patienceMs },
        ...socketOptions,
      })
    : net.createServer(socketOptions);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    options.onConnection?.(socket);
  });
  server.on(options.tls ? "secureConnection" : "connection", (socket: net.Socket) => {
    socket.on("error", () => socket.destroy());
    const hello = setTimeout(() => socket.destroy(), patienceMs);
    socket.once("close", () => clearTimeout(hello));
    let seen = Buffer.alloc(0);
    const onReadable = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) seen = Buffer.concat([seen, chunk]);
      if (!chunk && seen.length === 0) return;
      const comparable = Math.min(seen.length, preface.length);
      const matches = seen.subarray(0, comparable).equals(preface.subarray(0, comparable));
      if (matches && comparable < preface.length) return; // too few bytes to tell
      clearTimeout(hello);
      socket.off("readable", onReadable);
      socket.unshift(seen);
      (matches ? h2 : http1).emit("connection", socket);
    };
    socket.on("readable", onReadable);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });

  const close = async (graceMs: number) => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Again and again: those become idle whose last answer is just being given.
    const idle = setInterval(() => http1.closeIdleConnections(), 20);
    for (const session of sessions) session.close(); // after its last stream
    const force = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearInterval(idle);
    clearTimeout(force);
    http1.close();
    h2.close();
  };
  return { address: server.address() as net.AddressInfo, close, [Symbol.asyncDispose]: () => close(0) };
}
