/** The credential that came with a request, by its looks alone. */
import { credentialText } from "@daytonah/lib/credential-text.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { isAccessToken } from "../domain/access-token.ts";
import { hashOfSecret, isSecret } from "../domain/api-key-secret.ts";

export type Credential =
  | { readonly t: "api-key"; readonly hash: Buffer }
  | { readonly t: "access-token"; readonly token: string };

export function readCredential(header: (name: string) => string | null | undefined): Credential {
  const text = credentialText(header);
  if (isAccessToken(text)) return { t: "access-token", token: text };
  if (!isSecret(text)) throw credentialInvalid("This does not look like a key of ours.");
  return { t: "api-key", hash: hashOfSecret(text) };
}

export function credentialInvalid(message: string) {
  return problem("CREDENTIAL_INVALID", message);
}

export function unknownKey() {
  return credentialInvalid("This API key is unknown or revoked.");
}
