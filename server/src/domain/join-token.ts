/** The token with which a host joins: a secret, and the fingerprint of the authority that it may then believe. */
import { createHash, randomBytes } from "node:crypto";

const prefix = "dnah_join_";

export function newJoinToken(fingerprint: string): string {
  return `${prefix}${randomBytes(32).toString("base64url")}.${fingerprint}`;
}

/** 256 random bits need no slow hash. */
export function hashOfJoinToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
