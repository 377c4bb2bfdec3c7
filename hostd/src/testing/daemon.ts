/** The daemon as a process of its own, and clients that speak to it as the control plane does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { killAllOfUid } from "../host/process-table.ts";
import { uidsInUse } from "../vm/host-uids.ts";
import { uidsPerDaemon } from "../vm/uid-range.ts";
import { makePki, type TestPki } from "./pki.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

export interface TestHost extends AsyncDisposable {
  readonly dataDir: string;
  readonly runDir: string;
  readonly pki: TestPki;
  readonly url: string;
  /** Starts the daemon; resolves when it is ready. */
  start(): Promise<TestDaemon>;
}

export interface TestDaemon extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly stderr: () => string;
  readonly clients: Clients;
  /** Ends it and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export type Clients = ReturnType<typeof clientsOf>;

export async function testHost(env: Readonly<Record<string, string>>): Promise<TestHost> {
  const dir = await mkdtemp(join(tmpdir(), "dnah-host-"));
  const pki = makePki(join(dir, "pki"));
  const { DNAH_HOSTD_DATA_DIR: dataDir = join(dir, "data") } = env;
  const runDir = join(dir, "run");
  const port = await freePort();
  const settings = {
    ...{ PATH: process.env.PATH, DNAH_HOST_ID: "test", DNAH_HOSTD_LISTEN: `127.0.0.1:${port}` },
    ...{ DNAH_HOSTD_DATA_DIR: dataDir, DNAH_HOSTD_RUN_DIR: runDir, DNAH_PKI_DIR: pki.dir },
    DNAH_EDGE_LISTEN: "127.0.0.1:0",
    ...env,
  };
  await chmod(dir, 0o711); // VMs' own users pass through to their files
  const url = `https://localhost:${port}`;
  return {
    ...{ dataDir, runDir, pki, url },
    start: () => startDaemon(settings, url, pki),
    async [Symbol.asyncDispose]() {
      // After a test that failed its VMs still run: a daemon leaves them running.
      const first = Number(await readFile(join(dataDir, "first-uid"), "latin1").catch(() => Number.NaN));
      if (Number.isSafeInteger(first)) {
        for (const uid of await uidsInUse(first, uidsPerDaemon)) {
          await killAllOfUid(uid, { signal: AbortSignal.timeout(10_000) });
        }
      }
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startDaemon(env: NodeJS.ProcessEnv, url: string, pki: TestPki): Promise<TestDaemon> {
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await Promise.race([
    once(child.stdout, "data"),
    exited.then(() => {
      throw new Error(`the daemon ended:\n${stderr}`);
    }),
  ]);
  const session = sessionOf(url, pki, pki.server);
  const end = async (signal: NodeJS.Signals) => {
    session.abort();
    child.kill(signal);
    await exited;
  };
  return {
    ...{ process: child, end, stderr: () => stderr, clients: clientsOf(url, session, pki.bearer) },
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

export function sessionOf(url: string, pki: TestPki, identity: { cert: string; key: string }): Http2SessionManager {
  return new Http2SessionManager(url, {}, { ca: pki.ca, ...identity });
}

export function clientsOf(
  baseUrl: string,
  sessionManager: Http2SessionManager,
  bearer: string,
  protocol: "grpc" | "connect" = "connect",
) {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${bearer}`);
    return next(request);
  };
  const options = { baseUrl, sessionManager, interceptors: [authorize] };
  const transport =
    protocol === "grpc" ? createGrpcTransport(options) : createConnectTransport({ ...options, httpVersion: "2" });
  return {
    host: createClient(HostDaemonService, transport),
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
