/** A platform of several hosts for one test: PostgreSQL, two control planes, and hosts that have joined, each in a network namespace. */
import { chmodSync, copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HostState } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { root } from "../../../../tools/src/setup/setup.ts";
import { type Api, connectApi } from "../api.ts";
import { ChaosHost } from "./chaos-host.ts";
import { Network } from "./network.ts";
import { Program } from "./program.ts";
import { clusterPrefix, clusterRunDirOf, networkNameOf, sweepClusters } from "./sweep-clusters.ts";

export interface Cluster extends AsyncDisposable {
  readonly hosts: readonly ChaosHost[];
  readonly network: Network;
  readonly servers: readonly Program[];
  readonly postgres: Postgres;
  /** Through each control plane. */
  readonly apis: readonly Api[];
  /** Copies what its programs wrote to where it outlives the test; returns the folder. */
  keepLogs(): string;
}

interface Postgres {
  readonly program: Program;
  readonly url: string;
  /** Of the process that all others of it are children of. */
  readonly pid: number;
}

export interface ClusterOptions {
  readonly hosts: number;
  readonly bundle: string;
  readonly vhostDeviceVsock: string;
}

const serverPorts = [3001, 3002];

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  sweepClusters();
  await using stack = new AsyncDisposableStack();
  const dataDir = mkdtempSync(clusterPrefix);
  chmodSync(dataDir, 0o755); // PostgreSQL's user and VMs' own pass through
  stack.defer(() => rmSync(dataDir, { recursive: true }));
  const runDir = clusterRunDirOf(dataDir);
  mkdirSync(runDir);
  stack.defer(() => rmSync(runDir, { recursive: true }));
  const network = stack.use(new Network(networkNameOf(dataDir), options.hosts));

  const making = Array.from({ length: options.hosts }, async (_, index) =>
    stack.use(await ChaosHost.make({ ...options, index, network, dataDir, runDir })),
  );
  const [postgres, ...hosts] = await Promise.all([startPostgres(dataDir), ...making]);
  stack.defer(() => postgres.program.end("SIGTERM"));
  const servers: Program[] = [];
  const secretFile = join(dataDir, "secret.key");
  const keyFile = join(dataDir, "admin.key");
  for (const port of serverPorts) {
    const server = new Program({
      argv: [process.execPath, join(root, "server/src/main.ts")],
      env: {
        DNAH_LISTEN: `${network.address}:${port}`,
        DNAH_DATABASE_URL: postgres.url,
        DNAH_SECRET_FILE: secretFile,
        DNAH_BOOTSTRAP_KEY_FILE: keyFile,
      },
      logFile: join(dataDir, `server-${port}.log`),
    });
    servers.push(server);
    stack.defer(() => server.end("SIGTERM"));
    await server.start(); // the first one makes the secret that the second one needs
  }
  const urls = serverPorts.map((port) => `http://${network.address}:${port}`);
  const apiKey = readFileSync(keyFile, "utf8").trim();
  const apis = urls.map((url) => connectApi({ url, apiKey }));
  const [api, url] = [apis[0] as Api, urls[0] as string];

  await Promise.all(hosts.map(async (host) => host.join(url, (await api.hosts.createJoinToken({})).token)));
  while ((await readyHosts(api)) < hosts.length) await sleep(100);

  const owned = stack.move();
  return {
    ...{ hosts, network, servers, postgres, apis },
    keepLogs: () => copyLogs(dataDir),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function copyLogs(dataDir: string): string {
  const folder = mkdtempSync(join(tmpdir(), "dnah-chaos-logs-"));
  for (const name of globSync("*.log", { cwd: dataDir })) copyFileSync(join(dataDir, name), join(folder, name));
  return folder;
}

async function startPostgres(dataDir: string): Promise<Postgres> {
  const folder = join(dataDir, "postgres");
  const script = join(root, "server/src/private-postgres/main.ts");
  const program = new Program({
    argv: [process.execPath, script, "--data-dir", folder, "--user", "daytonah"],
    env: {},
    logFile: join(dataDir, "postgres.log"),
  });
  const url = await program.start();
  return {
    ...{ program, url },
    get pid() {
      return Number.parseInt(readFileSync(join(folder, "data/postmaster.pid"), "latin1"), 10);
    },
  };
}

async function readyHosts({ hosts }: Api): Promise<number> {
  const { hosts: list } = await hosts.listHosts({});
  return list.filter(({ state }) => state === HostState.READY).length;
}
