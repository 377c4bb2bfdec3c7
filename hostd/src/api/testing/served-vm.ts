/** The daemon's port, with TLS and guards, before one VM. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "@daytonah/lib/log.ts";
import type { TestPki } from "../../testing/pki.ts";
import { daemonHandler } from "../daemon-handler.ts";
import { dataPlaneServices } from "../data-plane.ts";
import { bearerCheck, listenTls } from "../listen-tls.ts";
import { createMetrics } from "../metrics.ts";
import { portTunnel } from "../port-tunnel.ts";
import { oneVm } from "./one-vm.ts";

export async function servedVm(pki: TestPki, vsockPath: string) {
  const vm = await oneVm(vsockPath);
  const deps = { ...vm.deps, size: { vcpus: 4, memoryMib: 4096 } };
  const read = (name: string) => readFile(join(pki.dir, name), "utf8");
  const listener = await listenTls({
    ...{ host: "127.0.0.1", port: 0 },
    identity: { ca: pki.ca, certificate: await read("host.pem"), key: await read("host.key") },
    handler: daemonHandler(deps, {
      facts: { hostId: "h", version: "0", edgeUrl: "" },
      services: dataPlaneServices(deps),
      metrics: createMetrics(deps),
      log: silentLogger,
      isServer: bearerCheck(pki.bearer),
    }),
    onConnect: portTunnel(deps, bearerCheck(pki.bearer)),
  });
  const stack = new AsyncDisposableStack();
  stack.use(vm);
  stack.use(listener);
  return {
    url: `https://localhost:${listener.address.port}`,
    headers: vm.headers,
    die: vm.die,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
