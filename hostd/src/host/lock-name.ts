import { createServer } from "node:net";

/** Holds a name on this machine; the kernel takes it back with the process. */
export async function lockName(name: string, taken: string): Promise<Disposable> {
  // Every user of the machine may connect to it: to no avail.
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(new Error(taken, { cause })));
    server.listen(`\0daytonah-hostd:${name}`, resolve);
  });
  return { [Symbol.dispose]: () => server.close() };
}
