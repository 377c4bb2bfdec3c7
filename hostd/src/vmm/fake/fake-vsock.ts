import { rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { readLine } from "../read-line.ts";

const AGENT_PORT = 18047;

/** What a VMM's vsock socket does, with the agent's unix socket behind it: `CONNECT 18047\n` is answered by `OK <n>\n`. */
export class FakeVsock {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(agentPath: string) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#track(client);
      readLine(client, (line, rest) => {
        if (line.trimEnd() === `CONNECT ${AGENT_PORT}`) {
          this.#join(client, rest, agentPath);
        } else {
          client.destroy();
        }
      });
    });
  }

  static async listen(paths: { readonly vsock: string; readonly agent: string }): Promise<FakeVsock> {
    const vsock = new FakeVsock(paths.agent);
    await rm(paths.vsock, { force: true });
    await new Promise<void>((resolve, reject) => {
      vsock.#server.once("error", reject);
      vsock.#server.listen(paths.vsock, resolve);
    });
    return vsock;
  }

  /** Takes no more connections, and breaks those there are. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #join(client: Socket, rest: Buffer, agentPath: string): void {
    const agent = connect({ path: agentPath, allowHalfOpen: true });
    this.#track(agent);
    client.on("close", () => agent.destroy());
    agent.on("close", () => client.end(() => client.destroy()));
    agent.on("connect", () => {
      client.write(`OK ${++this.#connections}\n`);
      agent.write(rest);
      client.pipe(agent);
      agent.pipe(client);
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // The other side is told by the close that follows.
    socket.on("error", () => {});
  }
}
