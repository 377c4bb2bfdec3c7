/** The secret of an API key: a prefix and 160 random bits in hex. Only its hash is kept. */
import { createHash, randomBytes } from "node:crypto";

export type SecretFormat = "dnah" | "e2b";

export function newSecret(format: SecretFormat): string {
  return `${format}_${randomBytes(20).toString("hex")}`;
}

export function isSecret(text: string): boolean {
  return /^(dnah|e2b)_[0-9a-f]{40}$/.test(text);
}

/** Plain SHA-256: with 160 random bits there is nothing to guess, so nothing for a slow hash to slow down. */
export function hashOfSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** What lists show of it. */
export function prefixOfSecret(secret: string): string {
  return secret.slice(0, secret.indexOf("_") + 5);
}
