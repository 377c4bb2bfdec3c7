import { connect, type Socket } from "node:net";

/** Sends these bytes and gives all that comes back until `pattern` is in it, the peer closes, or 1 s is over. */
export function rawExchange(path: string, text: string, pattern = /$^/): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = "";
    const socket = connect({ path, allowHalfOpen: true }, () => socket.write(text));
    const done = () => {
      socket.destroy();
      resolve(seen);
    };
    socket.setTimeout(1000, done);
    socket.on("data", (data) => {
      seen += data.toString("latin1");
      if (pattern.test(seen)) {
        done();
      }
    });
    socket.on("end", done);
    socket.on("error", reject);
  });
}

/** Connections that are open and ask for nothing. */
export function openConnections(path: string, count: number): Promise<readonly Socket[]> {
  const open = Array.from(
    { length: count },
    () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(path, () => resolve(socket));
        socket.on("error", reject);
      }),
  );
  return Promise.all(open);
}
