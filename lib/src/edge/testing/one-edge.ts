/** A preview proxy on a real port, whose sandbox's ports are those of this machine: programs of a test stand in for the guest's. */

import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import { Registry } from "prom-client";
import { listenDual } from "../../dual-http-server.ts";
import { silentLogger } from "../../log.ts";
import { problem } from "../../problem.ts";
import { portTokenOf, signingKeyOf } from "../../sandbox-signature.ts";
import type { SandboxAccess } from "../admit-visitor.ts";
import type { GuestPort } from "../guest-connections.ts";
import { createPreviewMeter } from "../preview-meter.ts";
import { createPreviewProxy } from "../preview-proxy.ts";

export const sandboxId = "sbx1";

export interface OneEdge extends AsyncDisposable {
  readonly port: number;
  /** Of the one sandbox there is; tests change it. */
  readonly access: { -readonly [K in keyof SandboxAccess]: SandboxAccess[K] };
  readonly connections: { made: number; open: number };
  readonly metrics: Registry;
  /** Host name of a port. */
  readonly hostOf: (port: number) => string;
  readonly tokenFor: (port: number, ms?: number) => string;
  /** A plain request with a token for its port, unless headers bring another. */
  request(port: number, options?: http.RequestOptions): http.ClientRequest;
}

export async function oneEdge(): Promise<OneEdge> {
  const access: OneEdge["access"] = { signingKey: signingKeyOf("dnah_sbx_one"), publicPorts: [] };
  const connections = { made: 0, open: 0 };
  const metrics = new Registry();
  const proxy = createPreviewProxy({
    serves: () => true,
    lookup: async (id) => (id === sandboxId ? access : undefined),
    dial: (target) => dialHere(target, connections),
    now: () => new Date(),
    log: silentLogger,
    meter: createPreviewMeter(metrics),
  });
  const server = await listenDual({
    ...{ host: "127.0.0.1", port: 0 },
    handler: (request, response) => {
      if (proxy.handle(request, response)) return;
      response.statusCode = 421;
      response.end();
    },
    onUpgrade: (request, socket, head) => {
      if (!proxy.upgrade(request, socket, head)) socket.destroy();
    },
  });
  const hostOf = (port: number) => `${port}-${sandboxId}.localhost:${server.address.port}`;
  const tokenFor = (port: number, ms = 60_000) =>
    portTokenOf(access.signingKey, sandboxId, port, new Date(Date.now() + ms));
  return {
    ...{ port: server.address.port, access, connections, metrics, hostOf, tokenFor },
    request: (port, { headers, ...options } = {}) =>
      http.request({
        ...{ host: "127.0.0.1", port: server.address.port, agent: false },
        ...options,
        headers: { host: hostOf(port), "dnah-port-token": tokenFor(port), ...(headers as object) },
      }),
    async [Symbol.asyncDispose]() {
      await server.close(0);
      proxy[Symbol.dispose]();
    },
  };
}

async function dialHere({ port }: GuestPort, connections: OneEdge["connections"]): Promise<Duplex> {
  const socket = net.connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  try {
    await once(socket, "connect");
  } catch (cause) {
    throw problem("PORT_CLOSED", `port ${port}: Connection refused`, { cause });
  }
  connections.made += 1;
  connections.open += 1;
  socket.once("close", () => {
    connections.open -= 1;
  });
  return socket;
}

/** Listens at a free port of this machine. */
export async function listening<S extends net.Server>(server: S): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly text: string;
}

/** Sends a request to its end, with a body or none, and reads the answer whole; rejects where it breaks. */
export async function answered(request: http.ClientRequest, body?: string | Uint8Array): Promise<Answered> {
  request.end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode as number,
    headers: response.headers,
    trailers: response.trailers,
    text: Buffer.concat(chunks).toString(),
  };
}
