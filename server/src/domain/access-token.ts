/** The credential of one sandbox: an HMAC, so nothing has to be kept, and it is the same over the sandbox's life. */
import { createHmac, timingSafeEqual } from "node:crypto";

const prefix = "dnah_sbx_";

/** `generation` is raised to end all tokens of a sandbox. */
export function accessTokenOf(key: string, sandboxId: string, generation: number): string {
  const mac = createHmac("sha256", key).update(`sandbox\0${sandboxId}\0${generation}`).digest("base64url");
  return prefix + mac;
}

export function isAccessToken(text: string): boolean {
  return text.startsWith(prefix);
}

export function isAccessTokenOf(token: string, key: string, sandboxId: string, generation: number): boolean {
  const expected = Buffer.from(accessTokenOf(key, sandboxId, generation));
  const given = Buffer.from(token);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
