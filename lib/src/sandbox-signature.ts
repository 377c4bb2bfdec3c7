/**
 * What lets a stranger into one port or at one file of a sandbox for a time: an HMAC by a key that derives from the
 * sandbox's access token, so a new access token ends all of them. The control plane and the sandbox's host check it alike.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { problem } from "./problem.ts";

export type FileOperation = "read" | "write";

export interface FileGrant {
  readonly sandboxId: string;
  readonly operation: FileOperation;
  readonly path: string;
  /** As which of the sandbox's users; the default user where empty. */
  readonly user: string;
}

/** 32 bytes. Whoever has it can sign, and can't find the access token. */
export function signingKeyOf(accessToken: string): Buffer {
  return createHmac("sha256", accessToken).update("daytonah signing key v1").digest();
}

/** `<end, seconds since 1970>.<signature>`: lets in at one port. */
export function portTokenOf(key: Uint8Array, sandboxId: string, port: number, expireTime: Date): string {
  const expires = secondsOf(expireTime);
  return `${expires}.${signatureOf(key, ["port", sandboxId, String(port), expires])}`;
}

/** When it ends. Throws CREDENTIAL_INVALID for a token of another port, sandbox or key, LINK_EXPIRED for one whose time is over. */
export function checkPortToken(key: Uint8Array, sandboxId: string, port: number, token: string, now: Date): Date {
  const [, expires = "", signature = ""] = /^(\d{1,12})\.([\w-]{43})$/.exec(token) ?? [];
  return checked(key, ["port", sandboxId, String(port), expires], signature, now);
}

/** The query of a signed file address, in the order it is written. */
export function fileQueryOf(key: Uint8Array, grant: FileGrant, expireTime: Date): URLSearchParams {
  const expires = secondsOf(expireTime);
  const { path, user, operation } = grant;
  return new URLSearchParams({
    path,
    ...(user ? { user } : {}),
    operation,
    expires,
    signature: signatureOf(key, filePartsOf(grant, expires)),
  });
}

/** Throws CREDENTIAL_INVALID where the signature is not one of this grant, LINK_EXPIRED where its time is over. */
export function checkFileQuery(key: Uint8Array, grant: FileGrant, query: URLSearchParams, now: Date): Date {
  const expires = query.get("expires") ?? "";
  return checked(key, filePartsOf(grant, expires), query.get("signature") ?? "", now);
}

function filePartsOf({ sandboxId, operation, path, user }: FileGrant, expires: string): string[] {
  return ["file", sandboxId, operation, path, user, expires];
}

/** No part has a NUL: ids, numbers, and paths and names as the protos allow them. */
function signatureOf(key: Uint8Array, parts: readonly string[]): string {
  return createHmac("sha256", key).update(parts.join("\0")).digest("base64url");
}

function checked(key: Uint8Array, parts: readonly string[], signature: string, now: Date): Date {
  const expected = Buffer.from(signatureOf(key, parts));
  const given = Buffer.from(signature);
  const genuine = given.length === expected.length && timingSafeEqual(given, expected);
  if (!genuine) throw problem("CREDENTIAL_INVALID", "The link's signature is not one of this sandbox.");
  const expireTime = new Date(Number(parts.at(-1)) * 1000);
  if (expireTime <= now) throw problem("LINK_EXPIRED", `The link ended at ${expireTime.toISOString()}.`);
  return expireTime;
}

function secondsOf(time: Date): string {
  return String(Math.floor(time.getTime() / 1000));
}
