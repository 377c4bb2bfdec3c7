/** A vsock front with an agent behind it that does whatever a test wants, good or bad. */
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Request, RequestSchema, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { agentPort } from "../agent-client.ts";
import { encodeFrames, FrameDecoder } from "../frames.ts";

export interface StandInAgent extends AsyncDisposable {
  readonly path: string;
  /** Connections made so far, and those still open. */
  readonly connections: { made: number; open: number };
  /** Ends every connection, as a snapshot does. */
  breakAll(): void;
}

/** `serve` gets the raw socket behind the CONNECT line. */
export async function standInVsock(serve: (socket: net.Socket, rest: Buffer) => void): Promise<StandInAgent> {
  const dir = await mkdtemp(join(tmpdir(), "dnah-"));
  const path = join(dir, "v");
  const connections = { made: 0, open: 0 };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    connections.made += 1;
    connections.open += 1;
    socket.on("error", () => undefined);
    socket.once("close", () => {
      connections.open -= 1;
      sockets.delete(socket);
    });
    socket.once("data", (data: Buffer) => {
      socket.pause();
      const end = data.indexOf(0x0a);
      if (data.toString("latin1", 0, end) !== `CONNECT ${agentPort}`) return void socket.destroy();
      serve(socket, data.subarray(end + 1));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    connections,
    breakAll() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(dir, { recursive: true });
    },
  };
}

/** An agent that says OK, reads one request, and leaves the rest to `answer`. */
export function standInAgent(answer: (request: Request, socket: net.Socket) => void): Promise<StandInAgent> {
  return standInVsock((socket, rest) => {
    socket.write("OK 1024\n");
    const decoder = new FrameDecoder();
    let answered = false;
    const read = (chunk: Uint8Array) => {
      decoder.push(chunk);
      const frame = answered ? undefined : decoder.next();
      if (!frame) return;
      answered = true;
      answer(fromBinary(RequestSchema, frame), socket);
    };
    read(rest);
    socket.on("data", read);
    socket.resume();
  });
}

/** A vsock front before an agent that listens on a plain unix socket. */
export function vsockFront(agentPath: string): Promise<StandInAgent> {
  return standInVsock((socket, rest) => {
    const agent = net.connect(agentPath);
    agent.on("error", () => socket.destroy());
    socket.once("close", () => agent.destroy());
    agent.once("connect", () => {
      socket.write("OK 1024\n");
      agent.write(rest);
      socket.pipe(agent);
      agent.pipe(socket);
    });
  });
}

export function responseFrame(response: MessageInitShape<typeof ResponseSchema>): Buffer {
  return encodeFrames(ResponseSchema, create(ResponseSchema, response));
}

export const endFrame = responseFrame({ event: { case: "end", value: {} } });
