/** Bare TCP to ports of a sandbox, by an HTTP/1.1 upgrade. Each direction ends on its own. */
import http from "node:http";
import https from "node:https";
import net from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import tls from "node:tls";
import { httpErrorOf } from "../data-plane/http-error.ts";
import type { ForwardOptions, PortForward, TcpTarget } from "../ports/port-types.ts";

const maxErrorBytes = 64 * 1024;

/** Resolves when the port is connected. Aborting the signal destroys the connection, also later. */
export function openTcp({ url, headers, signal }: TcpTarget): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const isTls = url.startsWith("https:");
  const outgoing = (isTls ? https : http).request(url, {
    headers: { ...headers, connection: "Upgrade", upgrade: "dnah-tcp" },
    // A connection of its own. Node's would end our direction with the other one.
    createConnection: (options) => {
      const open = { ...options, allowHalfOpen: true };
      return isTls ? tls.connect(open as tls.ConnectionOptions) : net.connect(open as net.NetConnectOpts);
    },
  });
  let stream: Duplex | undefined;
  const onAbort = () => (stream ?? outgoing).destroy(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const letGo = () => signal.removeEventListener("abort", onAbort);
  outgoing.once("upgrade", (_answer, socket, head) => {
    stream = socket;
    socket.once("close", letGo);
    if (head.length > 0) socket.unshift(head);
    if (socket instanceof net.Socket) socket.setNoDelay(true);
    resolve(socket);
  });
  outgoing.once("response", (answer) => {
    void readError(answer).then((error) => {
      reject(error);
      outgoing.destroy();
    });
  });
  outgoing.on("error", reject);
  promise.catch(letGo);
  if (signal.aborted) onAbort();
  else outgoing.end();
  return promise;
}

/** Listens on a port of this machine; what connects there is connected to the sandbox's port. */
export async function forwardTcp(connect: () => Promise<Duplex>, options: ForwardOptions): Promise<PortForward> {
  const { localPort = 0, localHost = "127.0.0.1", signal, onError } = options;
  signal?.throwIfAborted();
  const open = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (local) => {
    open.add(local);
    local.once("close", () => open.delete(local));
    join(local, connect).catch((error: unknown) => onError?.(error));
  });
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(localPort, localHost, listening.resolve);
  await listening.promise;
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  const close = () => {
    signal?.removeEventListener("abort", close);
    server.close();
    for (const local of open) local.destroy();
    return closed;
  };
  signal?.addEventListener("abort", close, { once: true });
  const { port } = server.address() as net.AddressInfo;
  return { localHost, localPort: port, close, [Symbol.asyncDispose]: close };
}

/** Rejects where the sandbox's port can't be connected; a connection that breaks later ends both. */
async function join(local: net.Socket, connect: () => Promise<Duplex>): Promise<void> {
  local.on("error", () => undefined); // told by the pipelines, once there are any
  try {
    const remote = await connect();
    await Promise.allSettled([pipeline(local, remote), pipeline(remote, local)]);
    remote.destroy();
  } finally {
    local.destroy();
  }
}

async function readError(answer: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxErrorBytes) break;
    }
  } catch (error) {
    return error;
  }
  return httpErrorOf(answer.statusCode ?? 0, Buffer.concat(chunks));
}
