/** The host daemon: settings -> driver -> images -> adoption -> one port. */
import { mkdirSync, readFileSync } from "node:fs";
import { chmod, stat } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { createLogger, type Logger } from "@daytonah/lib/log.ts";
import { daemonHandler } from "./api/daemon-handler.ts";
import { type DataPlaneServices, dataPlaneServices } from "./api/data-plane.ts";
import { bearerCheck, listenTls } from "./api/listen-tls.ts";
import { createMetrics } from "./api/metrics.ts";
import { portTunnel } from "./api/port-tunnel.ts";
import type { CallDeps } from "./api/sandbox-call.ts";
import { type Config, readConfig } from "./config.ts";
import { type ListenEdgeOptions, listenEdge } from "./edge/listen-edge.ts";
import { agentPort, createAgentClient } from "./guest/agent-client.ts";
import { probeCgroup } from "./host/cgroup/apply.ts";
import { applyCopy, probeCopyMethod } from "./host/disk/apply.ts";
import { createCommandRunner } from "./host/exec.ts";
import { lockName } from "./host/lock-name.ts";
import { ImageStore } from "./images/image-store.ts";
import { Moves } from "./moves/moves.ts";
import { openHostIdentity } from "./pki/host-identity.ts";
import { adoptVms } from "./vm/adopt-vms.ts";
import { hostSize } from "./vm/capacity.ts";
import { freezeByLease } from "./vm/freeze-vms.ts";
import { HostLease } from "./vm/host-lease.ts";
import { LifeKeeper } from "./vm/life-keeper.ts";
import { SnapshotStore } from "./vm/snapshot-store.ts";
import { StandbyKeeper } from "./vm/standby-keeper.ts";
import { readUidRange, uidsPerDaemon } from "./vm/uid-range.ts";
import type { VmDeps } from "./vm/vm-deps.ts";
import { VmFiles } from "./vm/vm-files.ts";
import { VmRegistry } from "./vm/vm-registry.ts";
import { VmStore } from "./vm/vm-store.ts";
import { wakeVm } from "./vm/wake-vm.ts";
import { selectVmm } from "./vmm/select-vmm.ts";

const version = "0.1.0";
const closeGraceMs = 3_000;
const adoptMs = 15_000;
const sampleMs = 15_000;
const pruneEveryMs = 3_600_000;
const mib = 1024 * 1024;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLogger("hostd", config.logLevel);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      process.on(name, () => {
        stopping.abort(new Error(`the daemon was told to stop (${name})`));
        resolve();
      });
    }
  });

  mkdirSync(config.dataDir, { recursive: true });
  await chmod(config.dataDir, 0o711); // VMs' own users pass through to their files
  mkdirSync(config.runDir, { recursive: true });
  await requirePassage(config.dataDir);
  await requirePassage(config.runDir);
  using _folder = await lockName(config.dataDir, `another hostd uses ${config.dataDir}: stop it first`);
  const firstUid = await readUidRange(config.dataDir, config.firstUid);
  using _uids = await lockName(
    `uid ${firstUid}`,
    `another hostd uses the uids from ${firstUid} on: set DNAH_VM_FIRST_UID`,
  );

  const deps = await createDeps(config, firstUid, log, stopping.signal);
  await adoptVms(deps, { signal: stopping.signal });
  using _pruning = pruneHourly(deps);
  using _freezing = freezeByLease(deps);
  using _keeping = new LifeKeeper(deps).run();
  using _warming = new StandbyKeeper(deps).run();
  const identity = openHostIdentity(config.pkiDir);
  const metrics = createMetrics(deps);
  const calls: CallDeps = { registry: deps.registry, wake: (entry) => wakeVm(deps, entry) };
  const services = dataPlaneServices(calls);
  const edge = await openEdge(config, calls, services, { metrics, log });
  const isServer = bearerCheck(identity.current.bearer);
  const handler = daemonHandler(deps, {
    facts: {
      ...{ hostId: config.hostId, version, edgeUrl: edge?.url ?? "" },
      cpuClass: await deps.vmm.memoryClass({ signal: stopping.signal }),
    },
    ...{ identity, services, metrics, log, isServer },
  });
  const onConnect = portTunnel(calls, isServer);
  const listener = await listenTls({ ...config.listen, identity: identity.current, handler, onConnect });
  identity.onRenewed = listener.show;
  const url = originOf("https", listener.address);
  log.info("hostd.ready", { url, edge: edge?.url, driver: deps.vmm.name });
  process.stdout.write(`ready ${url}\n`);

  await stopped;
  log.info("hostd.stopping", {});
  // Its VMs run on: the next start of the daemon adopts them.
  await Promise.all([listener.close(closeGraceMs), edge?.listener.close(closeGraceMs)]);
  deps.vmm.close();
}

async function createDeps(config: Config, firstUid: number, log: Logger, signal: AbortSignal): Promise<VmDeps> {
  const now = () => new Date();
  const lease = new HostLease(config.dataDir, now);
  await lease.open();
  const runner = createCommandRunner();
  const store = new VmStore(config.dataDir);
  await store.prepare();
  const copyMethod = await probeCopyMethod(config.dataDir);
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const images = new ImageStore(config.dataDir, {
    // Sparse: a bundle may lie on another file system. Where it does not, blocks are shared all the same.
    clone: (source, target) => applyCopy(runner, { source, target, owner, mode: 0o444 }, "sparse", { signal }),
  });
  await images.open(config.bundle, { signal });
  const files = new VmFiles({ runDir: config.runDir, firstUid, runner, copyMethod });
  await files.prepare();
  const size = hostSize(availableParallelism(), Math.floor(totalmem() / mib), {
    ...(config.vcpus === undefined ? {} : { vcpus: config.vcpus }),
    ...(config.memoryMib === undefined ? {} : { memoryMib: config.memoryMib }),
    memoryOvercommit: config.memoryOvercommit,
  });
  const { kernel, architecture } = images.bundle;
  const { vmm, why } = await selectVmm(
    {
      ...{ runner, architecture, copyMethod },
      wanted: config.vmm,
      cloudHypervisor: config.cloudHypervisor,
      restoreStrategy: config.restoreStrategy,
      vhostDeviceVsock: config.vhostDeviceVsock ?? "vhost-device-vsock",
      memoryDir: config.memoryDir,
      stateDir: join(config.dataDir, "cloud-hypervisor"),
      kernel: images.pathOf(kernel.sha256),
      kvmCacheFile: join(config.dataDir, "kvm-probe.json"),
    },
    { signal },
  );
  const cgroups = await probeCgroup();
  log.info("hostd.host", { ...size, copyMethod, firstUid, driver: vmm.name, why, limits: cgroups });
  return {
    ...{ vmm, store, lease, files, images, size, cgroups, log },
    snapshots: new SnapshotStore(config.dataDir),
    moves: new Moves(config.dataDir),
    registry: new VmRegistry(store, uidsPerDaemon, now),
    now,
    agentAt: (path) => createAgentClient({ path, port: agentPort }),
    limits: { bootMs: config.bootMs, adoptMs, sampleMs, slots: uidsPerDaemon },
  };
}

async function openEdge(
  { edge }: Config,
  calls: CallDeps,
  services: DataPlaneServices,
  options: Pick<ListenEdgeOptions, "metrics" | "log">,
) {
  if (!edge) return undefined;
  const tls = edge.tls && {
    cert: readFileSync(edge.tls.certFile, "utf8"),
    key: readFileSync(edge.tls.keyFile, "utf8"),
  };
  const listener = await listenEdge(calls, services, { ...edge.listen, ...(tls ? { tls } : {}), ...options });
  return { listener, url: edge.url ?? originOf(tls ? "https" : "http", listener.address) };
}

function originOf(scheme: "http" | "https", { address, port }: AddressInfo): string {
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** Tombstones would be one file for each sandbox there ever was. */
function pruneHourly({ store, now, log }: VmDeps): Disposable {
  const prune = () => {
    store.pruneTombstones(now()).catch((error: unknown) => log.warn("tombstones.unpruned", { error }));
  };
  const timer = setInterval(prune, pruneEveryMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** VMs run under users of their own, who must be able to reach their files. */
async function requirePassage(folder: string): Promise<void> {
  for (let path = folder; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) {
      throw new Error(
        `${path} lets other users not pass, and VMs' users must reach ${folder}: chmod o+x ${path}, or move it`,
      );
    }
    if (path === dirname(path)) return;
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`hostd: ${error instanceof Error ? error.message : String(error)}\n`);
  if (process.env.DNAH_LOG_LEVEL === "debug") process.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
  process.exit(1);
}
