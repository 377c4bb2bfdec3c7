/** What must hold before anything is started; each lack is one sentence with its mend. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, statfsSync } from "node:fs";
import net from "node:net";
import { basename, join } from "node:path";
import type { Address, DaemonOptions, UpOptions } from "./options.ts";
import { UpError } from "./up-error.ts";

const minimumFreeMib = 2048;

/** The system account that PostgreSQL runs under: it refuses to run as root. */
export const databaseUser = "daytonah";

export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new UpError("`dnah up` needs root: it makes VMs run under users of their own", "run it with sudo");
}

export async function preflight(options: UpOptions): Promise<void> {
  await preflightDaemon(options);
  await requireFreePort("--listen", options.listen);
  if (options.databaseUrl === undefined) requireAccount(databaseUser);
}

export async function preflightDaemon(options: DaemonOptions): Promise<void> {
  const { dataDir, runDir, binDir } = options.layout;
  for (const folder of [dataDir, runDir, binDir]) mkdirSync(folder, { recursive: true });
  // VMs' own users pass through to their files; what is private below has a mode of its own.
  for (const folder of [dataDir, runDir, binDir]) chmodSync(folder, 0o755);
  const { bavail, bsize } = statfsSync(dataDir);
  const freeMib = Math.floor((bavail * bsize) / 1024 / 1024);
  if (freeMib < minimumFreeMib) {
    throw new UpError(
      `${dataDir} has ${freeMib} MiB free, and ${minimumFreeMib} are needed`,
      "make room, or choose another disk with --data-dir",
    );
  }
  await requireFreePort("--hostd-listen", options.hostdListen);
  await requireFreePort("--edge-listen", options.edgeListen);
}

async function requireFreePort(flag: string, { host, port }: Address): Promise<void> {
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "is in use by another program" : `can't be listened on (${cause.code})`;
      reject(
        new UpError(`${host}:${port} ${why}`, `end that program, or choose another address with ${flag}`, { cause }),
      );
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

function requireAccount(name: string): void {
  const known = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .some((line) => line.startsWith(`${name}:`));
  if (known) return;
  execFileSync("useradd", [
    "--system",
    "--no-create-home",
    "--home-dir",
    "/nonexistent",
    "--shell",
    "/usr/sbin/nologin",
    name,
  ]);
}

/** A copy of a program, which `flag` names, where every user may run it. Returns its path. */
export function installProgram(binDir: string, flag: string, program: string): string {
  if (!existsSync(program)) {
    throw new UpError(`${program} is not there`, `run \`npm run quickstart\` once, or name it with ${flag}`);
  }
  const installed = join(binDir, basename(program));
  const temporary = `${installed}.${process.pid}`;
  copyFileSync(program, temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, installed);
  return installed;
}
