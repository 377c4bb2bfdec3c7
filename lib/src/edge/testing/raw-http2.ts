/** An HTTP/2 server that says whatever a test likes: Node's own holds back what the protocol forbids. */
import net from "node:net";

const settings = 4;
const headersFrame = 1;
const endStream = 1;
const endHeaders = 4;

/** Answers the first stream of each connection with these blocks of headers; the last one ends the stream. */
export function answeringHeaders(...blocks: readonly Readonly<Record<string, string>>[]): net.Server {
  return net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(frame(settings, 0, 0, Buffer.alloc(0)));
    socket.once("data", () => {
      socket.write(frame(settings, 1, 0, Buffer.alloc(0)));
      for (const [index, block] of blocks.entries()) {
        const flags = endHeaders | (index === blocks.length - 1 ? endStream : 0);
        socket.write(frame(headersFrame, flags, 1, Buffer.concat(Object.entries(block).map(literal))));
      }
    });
  });
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without its tables (RFC 7541, 6.2.2). */
function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value, "latin1")]);
}
