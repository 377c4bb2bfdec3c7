/**
 * The keys that every server of a platform shares: in its database, sealed under a secret that is in a file. So a copy of the
 * database gives nobody a way into hosts or sandboxes, and another server needs that one file only.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { insertSealedKeys, readSealedKeys } from "../db/platform-keys.ts";
import type { Db } from "../db/schema.ts";
import { makeAuthority, type PemPair } from "./certificates.ts";
import { seal, unseal } from "./sealed.ts";
import { writeOnce } from "./write-once.ts";

export interface PlatformKeys {
  readonly authority: PemPair;
  /** Hosts' bearers are made from it. */
  readonly bearerKey: string;
  /** Sandboxes' access tokens are made from it. */
  readonly tokenKey: string;
}

export async function makePlatformKeys(now: number): Promise<PlatformKeys> {
  const newKey = () => randomBytes(32).toString("hex");
  return { authority: await makeAuthority(now), bearerKey: newKey(), tokenKey: newKey() };
}

/** Makes them, and the secret, at a platform's very first start. Throws what waiting does not mend. */
export async function openPlatformKeys(db: Db, secretFile: string, now: number): Promise<PlatformKeys> {
  if ((await readSealedKeys(db)) === undefined) {
    const secret = writeOnce(secretFile, () => `${randomBytes(32).toString("hex")}\n`);
    await insertSealedKeys(db, seal(secret, JSON.stringify(await makePlatformKeys(now))));
  }
  const sealed = await readSealedKeys(db);
  const mend = `Copy it from a server of this platform, or name it with DNAH_SECRET_FILE: docs/many-hosts.md.`;
  if (!existsSync(secretFile)) throw new Error(`The platform's secret is not in ${secretFile}. ${mend}`);
  const text = sealed && unseal(readFileSync(secretFile, "utf8"), sealed);
  if (text === undefined) throw new Error(`The secret in ${secretFile} is not this platform's. ${mend}`);
  return JSON.parse(text) as PlatformKeys;
}
