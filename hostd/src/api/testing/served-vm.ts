/** The daemon's port, with TLS and guards, before one VM. */
import { silentLogger } from "@daytonah/lib/log.ts";
import { openHostIdentity } from "../../pki/host-identity.ts";
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
  const identity = openHostIdentity(pki.dir);
  const listener = await listenTls({
    ...{ host: "127.0.0.1", port: 0 },
    identity: identity.current,
    handler: daemonHandler(deps, {
      facts: { hostId: "h", version: "0", cpuClass: "c", edgeUrl: "" },
      identity,
      services: dataPlaneServices(deps),
      metrics: createMetrics(deps),
      log: silentLogger,
      isServer: bearerCheck(pki.bearer),
    }),
    onConnect: portTunnel(deps, bearerCheck(pki.bearer)),
  });
  identity.onRenewed = listener.show;
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
