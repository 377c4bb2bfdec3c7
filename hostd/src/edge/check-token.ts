/** Whether a token is a sandbox's access token. What is another's is not told apart from what is not there. */
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";

/** The token's generation; throws CREDENTIAL_INVALID where it is none of this sandbox. */
export function checkToken(registry: VmRegistry, sandboxId: string, token: string): number {
  const access = registry.get(sandboxId)?.record.access;
  const expected = access ? Buffer.from(access.tokenSha256, "hex") : randomBytes(32);
  const given = hash("sha256", token, "buffer");
  if (!timingSafeEqual(given, expected) || !access) throw accessTokenInvalid();
  return access.tokenGeneration;
}
