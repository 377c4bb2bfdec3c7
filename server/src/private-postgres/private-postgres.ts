/**
 * A PostgreSQL of our own: one data directory, reachable through a unix socket in a directory that only its account
 * and root may enter, and therefore without passwords.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Account, accountFor, canReach } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { endEarlierRun } from "./earlier-run.ts";

export interface PrivatePostgres extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Settles when postgres has ended, for whatever reason. */
  readonly ended: Promise<string>;
  /** Fast shutdown: open transactions are rolled back, everything is flushed. */
  stop(): Promise<void>;
}

export interface PrivatePostgresOptions {
  readonly dataDir: string;
  /** Runs it where we are root. */
  readonly user: string;
  /** False in tests: no flush to disk, so faster, and lost with the machine's power. */
  readonly durable?: boolean;
}

const role = "daytonah";
const startMs = 60_000;

export async function startPrivatePostgres(options: PrivatePostgresOptions): Promise<PrivatePostgres> {
  const dataDir = resolve(options.dataDir);
  const account = accountFor(options.user);
  const pgData = join(dataDir, "data");
  const socketDir = join(dataDir, "run");
  // sun_path holds 107 bytes, and postgres appends "/.s.PGSQL.5432.lock".
  if (Buffer.byteLength(socketDir) > 85)
    throw new Error(`${socketDir} is too long for a unix socket: use a shorter data directory`);
  mkdirSync(dataDir, { recursive: true });
  chmodSync(dataDir, 0o711); // the account must pass through it
  if (!canReach(dataDir, account)) {
    throw new Error(`the user ${account.name} can't enter ${dataDir}: choose a directory whose parents all may enter`);
  }
  makeOwnDir(socketDir, account);

  const major = existsSync(join(pgData, "PG_VERSION"))
    ? Number(readFileSync(join(pgData, "PG_VERSION"), "utf8"))
    : undefined;
  const { binDir } = findBinaries(account, major, dataDir);
  if (major === undefined) await initialize(binDir, pgData, account);
  await endEarlierRun(pgData, socketDir, 30_000);

  const child = await launch(binDir, pgData, socketDir, account, options.durable ?? true);
  const ended = new Promise<string>((settle) => {
    child.once("exit", (code, signal) => settle(signal ?? `code ${code}`));
  });
  const urlOf = (database: string) => `postgres://${role}@/${database}?host=${encodeURIComponent(socketDir)}`;
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  try {
    await createDatabase(urlOf("postgres"));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: urlOf(role), pid: child.pid as number, ended, stop, [Symbol.asyncDispose]: stop };
}

function makeOwnDir(dir: string, account: Account): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  if (process.getuid?.() === 0) chownSync(dir, account.uid, account.gid);
}

/** Into a directory beside, which then gets its name: a crash leaves no half-made data. */
async function initialize(binDir: string, pgData: string, account: Account): Promise<void> {
  const unfinished = `${pgData}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  makeOwnDir(unfinished, account);
  const argv = ["-D", unfinished, "-U", role, "--auth=trust", "--encoding=UTF8", "--no-locale"];
  const child = spawn(join(binDir, "initdb"), argv, { ...identity(account), stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise((settle, reject) => {
    child.once("error", reject);
    child.once("exit", settle);
  });
  if (code !== 0) throw new Error(`initdb ended with code ${code}; its messages are above`);
  renameSync(unfinished, pgData);
}

/** Starts postgres and waits until it accepts connections. Backends of a killed predecessor may need a moment to go. */
async function launch(
  binDir: string,
  pgData: string,
  socketDir: string,
  account: Account,
  durable: boolean,
): Promise<ChildProcess> {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: socketDir,
    max_connections: "200",
    log_min_messages: "fatal",
    ...(durable ? {} : { fsync: "off", full_page_writes: "off" }),
  };
  const argv = ["-D", pgData, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const deadline = Date.now() + startMs;
  for (;;) {
    const child = spawn(join(binDir, "postgres"), argv, {
      ...identity(account),
      stdio: ["ignore", "ignore", "inherit"],
    });
    let gone = false;
    child.once("error", () => {
      gone = true;
    });
    child.once("exit", () => {
      gone = true;
    });
    while (!gone) {
      if (accepts(pgData, child.pid)) return child;
      if (Date.now() > deadline) {
        child.kill("SIGQUIT");
        throw new Error(`postgres did not accept connections within ${startMs / 1000} s`);
      }
      await sleep(20);
    }
    if (Date.now() > deadline - startMs + 15_000) throw new Error("postgres does not start; its messages are above");
    await sleep(500);
  }
}

/** Its own word, which pg_ctl waits for too. */
function accepts(pgData: string, pid: number | undefined): boolean {
  try {
    const lines = readFileSync(join(pgData, "postmaster.pid"), "utf8").split("\n");
    return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
  } catch {
    return false; // not written yet
  }
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client(adminUrl);
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [role]);
    if (rowCount === 0) await client.query(`create database ${role}`);
  } finally {
    await client.end();
  }
}

/** Detached: a Ctrl-C in our terminal must not end it before those who use it. */
function identity({ uid, gid }: Account): { uid?: number; gid?: number; cwd: string; detached: true } {
  return process.getuid?.() === 0 ? { uid, gid, cwd: "/", detached: true } : { cwd: "/", detached: true };
}
