import { createServer, type Server, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  /** JSON; absent for a status without a body. */
  readonly body?: string;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

const MOST_CONNECTIONS = 10;
const MOST_LINE_BYTES = 1024;
const MOST_BODY_BYTES = 51_200;
const SERVER = "Server: Cloud Hypervisor API\r\nConnection: keep-alive\r\n";

/** The VMM's HTTP server, down to its bytes: no reason phrases, no chunks, one request after the other for all of it. */
export function serveHttp(path: string, handle: (request: Request) => Promise<Answer>): Promise<Server> {
  let open = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    if (open >= MOST_CONNECTIONS) {
      socket.end(`HTTP/1.1 503 \r\n${SERVER}Content-Length: 0\r\n\r\n`, () => socket.destroy());
      return;
    }
    open += 1;
    socket.on("close", () => {
      open -= 1;
    });
    // One that is half closed gets no answer.
    socket.on("end", () => socket.destroy());
    const take = (request: Request) => {
      turn = turn.then(async () => send(socket, await handle(request)));
    };
    readRequests(socket, take, (text) => send(socket, { status: 400, body: parserError(text) }));
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

function readRequests(socket: Socket, take: (request: Request) => void, refuse: (text: string) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    for (;;) {
      const end = seen.indexOf("\r\n\r\n");
      const head = seen.toString("latin1", 0, end < 0 ? seen.length : end);
      const lines = head.split("\r\n");
      if (lines.some((line) => line.length > MOST_LINE_BYTES)) {
        seen = Buffer.alloc(0);
        return refuse("Invalid request: a line is too long");
      }
      if (end < 0) {
        return;
      }
      const header = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "im").exec(lines.slice(1).join("\n"))?.[1];
      const length = Number(header("content-length") ?? 0);
      if (header("transfer-encoding") !== undefined || length > MOST_BODY_BYTES) {
        seen = Buffer.alloc(0);
        return refuse(length > MOST_BODY_BYTES ? "Payload too large" : "Unsupported header: Transfer-Encoding");
      }
      if (seen.length < end + 4 + length) {
        return;
      }
      const [method = "", path = ""] = (lines[0] ?? "").split(" ");
      const body = length === 0 ? undefined : seen.toString("utf8", end + 4, end + 4 + length);
      seen = seen.subarray(end + 4 + length);
      take({ method, path, body });
    }
  });
}

/** Looks like JSON, and is none. */
function parserError(text: string): string {
  return `{ "error": "${text}\nAll previous unanswered requests will be dropped." }`;
}

function send(socket: Socket, { status, body }: Answer): void {
  const length = Buffer.byteLength(body ?? "");
  const entity = body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${length}\r\n`;
  const empty = status === 200 && body === undefined ? "Content-Length: 0\r\n" : "";
  socket.write(`HTTP/1.1 ${status} \r\n${SERVER}${entity}${empty}\r\n${body ?? ""}`);
}
