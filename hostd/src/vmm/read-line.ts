import type { Socket } from "node:net";

/** `CONNECT 4294967295\r\n` and some to spare. */
const MAX_LINE_BYTES = 32;

/** Hands over the first line and what came behind it; the socket is paused then. Ends one that sends no line. */
export function readLine(socket: Socket, take: (line: string, rest: Buffer) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const end = seen.indexOf(0x0a);
    if (end > MAX_LINE_BYTES || (end < 0 && seen.length > MAX_LINE_BYTES)) {
      socket.destroy();
    } else if (end >= 0) {
      socket.off("data", onData).off("end", onEnd).pause();
      take(seen.toString("latin1", 0, end), seen.subarray(end + 1));
    }
  };
  const onEnd = () => socket.destroy();
  socket.on("data", onData).on("end", onEnd);
}
