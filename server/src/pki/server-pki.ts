/** The server's own authority and what it makes from it: see docs of each file below. Everything is 0600. */
import { createHmac, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeAuthority, makeLeaf, type PemPair } from "./certificates.ts";
import { writeWhole } from "./write-once.ts";

/** Common name of the certificate that the server shows to hosts. */
export const serverName = "dnah-server";

export interface ServerPki {
  readonly authority: PemPair;
  /** What the server shows to hosts. */
  readonly client: PemPair;
  /** The secret that the server shows to this host beside its certificate. */
  bearerOf(hostId: string): string;
}

/** Reads `dataDir`/pki; makes it at the first start. Of several that start at once, one wins and all read the same. */
export async function openServerPki(dataDir: string, now: number): Promise<ServerPki> {
  const dir = join(dataDir, "pki");
  const existing = readPki(dir);
  if (existing) return existing;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const unfinished = `${dir}.${process.pid}.${randomBytes(4).toString("hex")}`;
  mkdirSync(unfinished, { mode: 0o700 });
  try {
    const authority = await makeAuthority(now);
    const client = await makeLeaf(authority, { name: serverName, use: "client", now });
    writeWhole(join(unfinished, "ca.pem"), authority.certificate);
    writeWhole(join(unfinished, "ca.key"), authority.key);
    writeWhole(join(unfinished, "server.pem"), client.certificate);
    writeWhole(join(unfinished, "server.key"), client.key);
    writeWhole(join(unfinished, "bearer.key"), randomBytes(32).toString("hex"));
    renameSync(unfinished, dir); // refused where another's is there: a directory that is not empty is not replaced
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST"].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  const made = readPki(dir);
  if (!made) throw new Error(`${dir} was not made`);
  return made;
}

function readPki(dir: string): ServerPki | undefined {
  const read = (name: string) => readFileSync(join(dir, name), "utf8");
  try {
    const bearerKey = read("bearer.key");
    return {
      authority: { certificate: read("ca.pem"), key: read("ca.key") },
      client: { certificate: read("server.pem"), key: read("server.key") },
      bearerOf: (hostId) => createHmac("sha256", bearerKey).update(`host\0${hostId}`).digest("hex"),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
