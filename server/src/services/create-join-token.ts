/** Makes a token with which one host may join, once. */
import { insertJoinToken } from "../db/join-tokens.ts";
import type { DbOrTx } from "../db/schema.ts";
import { hashOfJoinToken, newJoinToken } from "../domain/join-token.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";

export interface CreatedJoinToken {
  readonly token: string;
  readonly expireTime: Date;
}

export async function createJoinToken(
  db: DbOrTx,
  { fingerprint }: HostAuthority,
  { hostId, ttlMs }: { readonly hostId: string; readonly ttlMs: number },
): Promise<CreatedJoinToken> {
  const token = newJoinToken(fingerprint);
  return { token, expireTime: await insertJoinToken(db, { hash: hashOfJoinToken(token), hostId, ttlMs }) };
}
