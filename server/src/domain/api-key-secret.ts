/** The secret of an API key: a prefix and 160 random bits in hex. Only its hash is kept. */
import { hash, randomBytes } from "node:crypto";

export type SecretFormat = "dnah" | "e2b";

export function newSecret(format: SecretFormat): string {
  return `${format}_${randomBytes(20).toString("hex")}`;
}

export function isSecret(text: string): boolean {
  return /^(dnah|e2b)_[0-9a-f]{40}$/.test(text);
}

/**
 * Plain SHA-256: with 160 random bits there is nothing to guess, so nothing for a slow hash to slow down. In one call:
 * it runs for every exec, and a Hash object costs ten times as much.
 */
export function hashOfSecret(secret: string): Buffer {
  return hash("sha256", secret, "buffer");
}

/** What lists show of it. */
export function prefixOfSecret(secret: string): string {
  return secret.slice(0, secret.indexOf("_") + 5);
}
