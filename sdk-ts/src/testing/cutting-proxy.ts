import net from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
  /** Breaks every connection; new ones are taken. */
  cut(): void;
  /** Breaks one connection after so many more bytes to the client. */
  cutAfter(bytes: number): void;
}

/** A way to `target` that breaks when it is told to. */
export async function cuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<net.Socket>();
  let left = Number.POSITIVE_INFINITY;
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.once("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on("error", () => undefined);
      socket.pipe(other);
    }
    upstream.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      left = Number.POSITIVE_INFINITY;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    cut,
    cutAfter: (bytes) => {
      left = bytes;
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
