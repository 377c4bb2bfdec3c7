/** The host's real daemon but for its VMM, which does what a test says, and the control plane's real client before it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LifeEvent } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { daemonHandler } from "../../../hostd/src/api/daemon-handler.ts";
import { dataPlaneServices } from "../../../hostd/src/api/data-plane.ts";
import { bearerCheck, listenTls } from "../../../hostd/src/api/listen-tls.ts";
import { createMetrics } from "../../../hostd/src/api/metrics.ts";
import { openHostIdentity } from "../../../hostd/src/pki/host-identity.ts";
import { pauseVm } from "../../../hostd/src/vm/pause-vm.ts";
import { lifeHost } from "../../../hostd/src/vm/testing/test-host.ts";
import { wakeVm } from "../../../hostd/src/vm/wake-vm.ts";
import { silentLogger } from "../../../lib/src/log.ts";
import { type ConnectHost, createConnectHost } from "../../../server/src/hosts/connect-host.ts";
import type { HostBehind } from "../../../server/src/hosts/host-client.contract.ts";
import { makeLeaf } from "../../../server/src/pki/certificates.ts";
import type { ServerPki } from "../../../server/src/pki/server-pki.ts";

export interface RealDaemon extends AsyncDisposable {
  readonly client: ConnectHost;
  readonly behind: HostBehind;
}

export async function realDaemon(pki: ServerPki, hostId: string): Promise<RealDaemon> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await lifeHost());
  const { deps, script, dataDir } = host;
  const identity = openHostIdentity(await joined(pki, hostId, stack));
  const { bearer } = identity.current;
  const isServer = bearerCheck(bearer);
  const calls = { registry: deps.registry, wake: (entry: Parameters<typeof wakeVm>[1]) => wakeVm(deps, entry) };
  const handler = daemonHandler(deps, {
    ...{ identity, isServer, log: silentLogger },
    facts: { hostId, version: "0", cpuClass: "c", edgeUrl: "" },
    services: dataPlaneServices(calls),
    metrics: createMetrics(deps),
  });
  const listener = stack.use(
    await listenTls({
      ...{ host: "127.0.0.1", port: 0, identity: identity.current, handler },
      onConnect: (_, response) => response.writeHead(404).end(),
    }),
  );
  const credentials = { authority: pki.certificate, ...pki.client, bearer };
  const url = `https://127.0.0.1:${listener.address.port}`;
  const client = stack.use(createConnectHost({ hostId, tlsName: hostId, url, credentials }));

  const entryOf = (sandboxId: string) => {
    const entry = deps.registry.get(sandboxId);
    if (!entry) throw new Error(`the host has no ${sandboxId}`);
    return entry;
  };
  const behind: HostBehind = {
    accessOf: (sandboxId) => entryOf(sandboxId).record.access,
    lifecycleOf: (sandboxId) => entryOf(sandboxId).record.lifecycle,
    claimsOf(sandboxId) {
      const claims = script.calls.flatMap((call) => {
        if (call.case !== "personalize" || call.value.event !== LifeEvent.CLAIMED) return [];
        return call.value.sandboxId === sandboxId ? [[call.value.epoch, call.value.env] as const] : [];
      });
      return [...new Map(claims).values()]; // a repeat tells it again, and the agent takes it once
    },
    async kill(sandboxId) {
      const entry = entryOf(sandboxId);
      script.die(sandboxId);
      while (entry.record.state !== "failed") await entry.nextChange();
    },
    async pauseItself(sandboxId) {
      await pauseVm(deps, sandboxId, entryOf(sandboxId).record.epoch);
    },
    async wakeItself(sandboxId) {
      await wakeVm(deps, entryOf(sandboxId));
    },
    holdSnapshot() {
      const begun = Promise.withResolvers<void>();
      const gate = Promise.withResolvers<void>();
      script.step = async (step) => {
        if (step !== "snapshot") return;
        begun.resolve();
        await gate.promise;
      };
      return { begun: begun.promise, go: gate.resolve };
    },
    spoil: (snapshotId) => rm(join(dataDir, "snapshots", snapshotId, "root.ext4")),
    cutWatchers: () => void listener.close(0),
    vanish: () => listener.close(0),
  };
  const open = stack.move();
  return { client, behind, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** The folder that a host has after it joined. */
async function joined(pki: ServerPki, hostId: string, stack: AsyncDisposableStack): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "dnah-joined-"));
  stack.defer(() => rm(dir, { recursive: true }));
  const leaf = await makeLeaf(pki.authority, { name: hostId, use: "server", now: Date.now() });
  const files = { "ca.pem": pki.certificate, "host.pem": leaf.certificate, "host.key": leaf.key };
  for (const [name, text] of Object.entries({ ...files, bearer: pki.bearerOf(hostId) })) {
    await writeFile(join(dir, name), text);
  }
  return dir;
}
