/** Where the platform keeps what, on a host that runs all of it. */
import { join } from "node:path";

export interface Layout {
  /** What must survive a reboot. */
  readonly dataDir: string;
  /** Sockets and other things of this boot. */
  readonly runDir: string;
  readonly postgresDir: string;
  /** The secret that the platform's keys are sealed under. */
  readonly secretFile: string;
  readonly hostdDir: string;
  /** Certificate, key and bearer of this host's daemon. */
  readonly hostPkiDir: string;
  /** Copies of programs that run under another user, who can't look into the installer's home. */
  readonly binDir: string;
  readonly logFile: string;
  /** The first API key. */
  readonly adminKeyFile: string;
  /** Says which `dnah up` runs here: see RunningPlatform. */
  readonly stateFile: string;
}

export function layoutOf(dataDir: string, runDir: string): Layout {
  return {
    dataDir,
    runDir,
    postgresDir: join(dataDir, "postgres"),
    secretFile: join(dataDir, "secret.key"),
    hostdDir: join(dataDir, "hostd"),
    hostPkiDir: join(dataDir, "hostd-pki"),
    binDir: join(dataDir, "bin"),
    logFile: join(dataDir, "up.log"),
    adminKeyFile: join(dataDir, "admin.key"),
    stateFile: join(runDir, "up.json"),
  };
}

export const defaultDataDir = "/var/lib/daytonah";
export const defaultRunDir = "/run/daytonah";
