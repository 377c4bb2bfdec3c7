/** Serves a fake platform on a port of the loopback interface. */
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { cutKey } from "./fake-faults.ts";
import { FakePlatform } from "./fake-platform.ts";

export interface ServedFake extends AsyncDisposable {
  readonly platform: FakePlatform;
  readonly url: string;
}

export async function serveFake(httpVersion: "1.1" | "2" = "2"): Promise<ServedFake> {
  const platform = new FakePlatform();
  const handler = connectNodeAdapter({
    routes: platform.routes,
    contextValues: (request) => createContextValues().set(cutKey, () => void request.socket.destroy()),
  });
  const sockets = new Set<Socket>();
  const server = httpVersion === "2" ? http2.createServer(handler) : http.createServer(handler);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    platform,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const sandbox of platform.sandboxes.values()) {
        for (const process of sandbox.processes.values()) process.kill(9);
      }
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
