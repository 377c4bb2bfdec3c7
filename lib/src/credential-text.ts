/** The credential that came with a request: `Authorization: Bearer …`, or `X-API-Key: …`. */
import { problem } from "./problem.ts";

export function credentialText(header: (name: string) => string | null | undefined): string {
  const authorization = header("authorization");
  const text = authorization ? /^bearer +(\S+) *$/i.exec(authorization)?.[1] : header("x-api-key");
  if (text) return text;
  if (authorization) {
    throw problem("CREDENTIAL_INVALID", "The header `Authorization` is not of the form `Bearer <key>`.");
  }
  throw problem("CREDENTIAL_MISSING", "The call came without a credential.");
}
