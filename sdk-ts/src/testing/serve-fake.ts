/** Serves a fake platform on ports of the loopback interface: one as the control plane, one as a host's edge. */
import http from "node:http";
import http2 from "node:http2";
import net, { type AddressInfo, type Socket } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { cutKey } from "./fake-faults.ts";
import { fakeHttpFiles } from "./fake-http-files.ts";
import { FakePlatform } from "./fake-platform.ts";
import { edgeKey } from "./fake-state.ts";
import { fakeTunnel } from "./fake-tunnel.ts";

export interface ServedFake extends AsyncDisposable {
  readonly platform: FakePlatform;
  readonly url: string;
  readonly edge: FakeEdge;
}

export interface FakeEdge {
  readonly url: string;
  /** From now on nothing answers there; connections are broken. */
  close(): Promise<void>;
}

export async function serveFake(): Promise<ServedFake> {
  const platform = new FakePlatform();
  const controlPlane = await listen(platform, false);
  const edge = await listen(platform, true);
  return {
    platform,
    url: controlPlane.url,
    edge,
    async [Symbol.asyncDispose]() {
      for (const sandbox of platform.sandboxes.values()) {
        for (const process of sandbox.processes.values()) process.kill(9);
      }
      await Promise.all([controlPlane.close(), edge.close()]);
    },
  };
}

async function listen(platform: FakePlatform, isEdge: boolean): Promise<FakeEdge> {
  const rpc = connectNodeAdapter({
    routes: isEdge ? platform.dataPlaneRoutes : platform.routes,
    contextValues: (request) =>
      createContextValues()
        .set(cutKey, () => void request.socket.destroy())
        .set(edgeKey, isEdge),
  });
  const handler: typeof rpc = (request, response) => {
    if (request.url === "/healthz") return void (response as http.ServerResponse).end('{"alive":true}\n');
    if (!fakeHttpFiles(platform, isEdge, request as http.IncomingMessage, response as http.ServerResponse)) {
      rpc(request, response);
    }
  };
  const h1 = http
    .createServer(handler)
    .on("upgrade", (request, socket) => fakeTunnel(platform, isEdge, request, socket));
  const h2 = http2.createServer(handler);
  const sockets = new Set<Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
    socket.once("readable", () => {
      const first: Buffer | null = socket.read();
      if (!first) return;
      socket.unshift(first);
      (first.toString("latin1").startsWith("PRI ") ? h2 : h1).emit("connection", socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
