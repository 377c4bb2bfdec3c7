import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { makePlatformKeys } from "../pki/platform-keys.ts";
import { createServerPki } from "../pki/server-pki.ts";
import { hold } from "../testing/hold.ts";
import { startHostDaemon } from "../testing/host-daemon.ts";
import { createFakeHost } from "./fake-host.ts";
import { createHostCopies } from "./host-copies.ts";

test("a copy from a host that vanishes without a word breaks off", async () => {
  await using stack = new AsyncDisposableStack();
  const pki = await createServerPki(await makePlatformKeys(Date.now()), Date.now());
  const host = createFakeHost("h1");
  const { address } = stack.use(await startHostDaemon({ pki, host }));
  const sockets: net.Socket[] = [];
  const network = net.createServer((near) => {
    const far = net.connect(Number(new URL(address.url).port), "127.0.0.1");
    near.pipe(far).pipe(near);
    sockets.push(near, far);
  });
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    network.close();
  });
  await once(network.listen(0, "127.0.0.1"), "listening");
  const url = `https://127.0.0.1:${(network.address() as net.AddressInfo).port}`;
  const copies = stack.use(createHostCopies({ ...address, url }, { pingIntervalMs: 20, pingTimeoutMs: 100 }));
  const vm = { sandboxId: "s1", epoch: 1n };
  const [tokenSha256, signingKey] = [new Uint8Array(32), new Uint8Array(32)];
  const access = { version: 1n, tokenGeneration: 1n, tokenSha256, signingKey, publicPorts: [] };
  const lifecycle = { version: 1n, deleteAtEnd: false, autoResume: false };
  const sizes = { template: "base", vcpus: 1, memoryMib: 128, diskMib: 0, env: {}, snapshotId: "" };
  await host.startVm({ ...vm, ...sizes, access, lifecycle }, {});
  await host.snapshotVm({ ...vm, snapshotId: "snap_1" }, {});
  const held = hold(host.hooks, "onRead");

  const bytes = Array.fromAsync(await copies.readCopy({ snapshotId: "snap_1" }, {}));
  await held.begun;
  for (const socket of sockets) socket.unpipe().pause();
  await expect(bytes).rejects.toThrow();
  held.go();
});
