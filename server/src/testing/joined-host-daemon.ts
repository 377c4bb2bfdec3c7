/** A host's daemon for tests that has joined: certified by the platform's authority, and with a row in its database. */
import { admitHost } from "../db/hosts.ts";
import type { Db } from "../db/schema.ts";
import { openPlatformKeys } from "../pki/platform-keys.ts";
import { createServerPki, type ServerPki } from "../pki/server-pki.ts";
import { type HostDaemon, type HostDaemonOptions, startHostDaemon } from "./host-daemon.ts";

export interface JoinedHostOptions extends HostDaemonOptions {
  readonly db: Db;
}

export async function startJoinedHostDaemon({ db, ...options }: JoinedHostOptions): Promise<HostDaemon> {
  const daemon = await startHostDaemon(options);
  const { hostId: id, url, tlsName } = daemon.address;
  await admitHost(db, { id, url, tlsName, again: true });
  return daemon;
}

export async function openTestPki(db: Db, secretFile: string): Promise<ServerPki> {
  return createServerPki(await openPlatformKeys(db, secretFile, Date.now()), Date.now());
}
