/**
 * `dnah up`: runs the processes of a split deployment on one machine. PostgreSQL, then the control plane, then the
 * host's daemon; ended in the opposite order. VMs go on: the next `dnah up` takes them over.
 */
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "./child.ts";
import { writeClientConfig } from "./client-config.ts";
import type { UpOptions } from "./options.ts";
import { databaseUser, preflight } from "./preflight.ts";
import { originOf, startDaemon } from "./start-daemon.ts";
import { UpError } from "./up-error.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const hostId = "local";
const stopGraceMs = 15_000;

export interface Platform {
  readonly url: string;
  /** Ends all processes, VMs excepted. */
  stop(): Promise<void>;
}

export async function up(options: UpOptions, report: (line: string) => void): Promise<Platform> {
  const { layout } = options;
  const lock = await lockDataDir(layout.dataDir);
  const running: Child[] = [];
  const stop = async () => {
    for (const child of running.reverse()) await child.stop(stopGraceMs);
    rmSync(layout.stateFile, { force: true });
    lock.close();
  };
  try {
    await preflight(options);
    if (options.databaseUrl === undefined) running.push(await startPostgres(options, report));
    const databaseUrl = options.databaseUrl ?? (running[0] as Child).ready;
    issueHostCertificate(options, databaseUrl);
    // The daemon first: the control plane is ready only when a host is.
    running.push(await startDaemon(options, hostId, report));
    running.push(await startServer(options, databaseUrl, report));
    const url = `http://${options.listen.host}:${options.listen.port}`;
    writeFileSync(layout.stateFile, JSON.stringify({ pid: process.pid, url }));
    if (options.writeConfig) writeClientConfig({ url, apiKeyFile: layout.adminKeyFile });
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** An abstract socket is free again whenever its holder is gone, however it went. */
async function lockDataDir(dataDir: string): Promise<net.Server> {
  const lock = net.createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    lock.once("error", (cause) =>
      reject(new UpError(`another \`dnah up\` runs with ${dataDir}`, "use it, or end it with `dnah down`", { cause })),
    );
    lock.listen(`\0daytonah-up:${dataDir}`, resolve);
  });
  return lock;
}

function startPostgres({ layout }: UpOptions, report: (line: string) => void): Promise<Child> {
  const script = [
    join(root, "server/src/private-postgres/main.ts"),
    "--data-dir",
    layout.postgresDir,
    "--user",
    databaseUser,
  ];
  return startChild({ name: "postgres", script, env: {}, readyPrefix: "ready ", readyMs: 60_000 }, report);
}

function issueHostCertificate({ layout, hostdListen }: UpOptions, databaseUrl: string): void {
  const script = join(root, "server/src/pki/issue-host.ts");
  const flags = {
    "--secret-file": layout.secretFile,
    "--host-id": hostId,
    "--url": originOf(hostdListen),
    "--out": layout.hostPkiDir,
  };
  execFileSync(process.execPath, [script, ...Object.entries(flags).flat()], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, DNAH_DATABASE_URL: databaseUrl },
  });
}

function startServer(options: UpOptions, databaseUrl: string, report: (line: string) => void): Promise<Child> {
  const { layout, listen } = options;
  const env = {
    DNAH_LISTEN: `${listen.host}:${listen.port}`,
    DNAH_DATABASE_URL: databaseUrl,
    DNAH_SECRET_FILE: layout.secretFile,
    DNAH_BOOTSTRAP_KEY_FILE: layout.adminKeyFile,
    ...options.serverEnv,
    DNAH_LOG_LEVEL: options.logLevel,
  };
  const script = [join(root, "server/src/main.ts")];
  return startChild({ name: "server", script, env, readyPrefix: "ready ", readyMs: 60_000 }, report);
}
