import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";

const AGENT_PORT = 18047;
const FIRST_HOST_PORT = 2 ** 30;
const MOST_LINE_BYTES = 32;

/** The host's side of the guest's vsock. Nobody is answered, nor told that nobody answers, until the guest's driver is up. */
export class Vsock {
  readonly #path: string;
  readonly #server: Server;
  readonly #agent: string;
  readonly #waiting: (() => void)[] = [];
  readonly #sockets = new Set<Socket>();
  #runs = false;
  #nextPort = FIRST_HOST_PORT;

  private constructor(path: string, agent: string) {
    this.#path = path;
    this.#agent = agent;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      this.#track(client);
      client.pause();
      this.#whenRunning(() => this.#greet(client));
    });
  }

  /** Rejects with EADDRINUSE where the file is there already. */
  static async bind(path: string, agent: string): Promise<Vsock> {
    const vsock = new Vsock(path, agent);
    await new Promise<void>((resolve, reject) => {
      vsock.#server.once("error", reject);
      vsock.#server.listen(path, resolve);
    });
    return vsock;
  }

  run(): void {
    this.#runs = true;
    for (const work of this.#waiting.splice(0)) {
      work();
    }
  }

  pause(): void {
    this.#runs = false;
  }

  /** What a guest does that connects to port `port` of its host. False where nobody listens: it is reset. */
  dialHost(port: number, text: string): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(`${this.#path}_${port}`, () => socket.end(text, () => resolve(true)));
      socket.on("error", () => resolve(false));
    });
  }

  /** In order: the socket's file goes. */
  close(): void {
    this.#server.close();
    rmSync(this.#path, { force: true });
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  #greet(client: Socket): void {
    let line = "";
    const take = () => {
      while (!line.endsWith("\n")) {
        // Byte by byte: what is behind the line is the guest's.
        const byte = client.read(1) as Buffer | null;
        if (byte === null) {
          return;
        }
        line += byte.toString("latin1");
        if (line.length > MOST_LINE_BYTES) {
          client.destroy();
          return;
        }
      }
      client.off("readable", take);
      const port = /^CONNECT (\d+)\n$/i.exec(line)?.[1];
      if (Number(port) === AGENT_PORT) {
        this.#join(client);
      } else {
        client.destroy();
      }
    };
    client.on("readable", take);
    client.on("end", () => (line.endsWith("\n") ? undefined : client.destroy()));
  }

  #join(client: Socket): void {
    const agent = connect({ path: this.#agent, allowHalfOpen: true });
    this.#track(agent);
    client.on("close", () => agent.destroy());
    agent.on("close", () => client.end(() => client.destroy()));
    agent.on("connect", () => {
      client.write(`OK ${this.#nextPort++}\n`);
      client.pipe(agent);
      agent.pipe(client);
    });
  }

  #whenRunning(work: () => void): void {
    if (this.#runs) {
      work();
    } else {
      this.#waiting.push(work);
    }
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
  }
}
