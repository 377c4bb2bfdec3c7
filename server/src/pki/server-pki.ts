/** What a server shows to hosts, and the certificates that it gives them. */
import { createHash, createHmac, webcrypto, X509Certificate } from "node:crypto";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import { issueLeaf, keyOfRequest, leafLifeMs, makeLeaf, type PemPair } from "./certificates.ts";
import type { PlatformKeys } from "./platform-keys.ts";

/** Common name of the certificate that the server shows to hosts. */
export const serverName = "dnah-server";

export interface ServerPki extends HostAuthority {
  readonly authority: PemPair;
  /** What the server shows to hosts, now: renewOwn changes it. Its key is in memory only. */
  readonly client: PemPair;
}

export async function createServerPki({ authority, bearerKey }: PlatformKeys, now: number): Promise<ServerPki> {
  const newClient = (at: number) => makeLeaf(authority, { name: serverName, use: "client", now: at });
  let client = await newClient(now);
  let renewAt = now + (leafLifeMs * 2) / 3;
  return {
    authority,
    certificate: authority.certificate,
    leafLifeMs,
    fingerprint: createHash("sha256").update(new X509Certificate(authority.certificate).raw).digest("base64url"),
    get client() {
      return client;
    },
    bearerOf: (tlsName) => createHmac("sha256", bearerKey).update(`host\0${tlsName}`).digest("hex"),
    async keyDigestOf(request) {
      const spki = await webcrypto.subtle.exportKey("spki", await keyOf(request));
      return createHash("sha256").update(Buffer.from(spki)).digest();
    },
    async certify(request, tlsName, at) {
      return issueLeaf(authority, await keyOf(request), { name: tlsName, use: "server", now: at });
    },
    async renewOwn(at) {
      if (at < renewAt) return;
      client = await newClient(at);
      renewAt = at + (leafLifeMs * 2) / 3;
    },
  };
}

async function keyOf(request: Uint8Array): Promise<CryptoKey> {
  const key = await keyOfRequest(request);
  if (key) return key;
  throw fieldProblem("certificate_request", "must be a PKCS #10 request of an ECDSA P-256 key, signed by it.");
}
