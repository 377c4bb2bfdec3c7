/** A PKCS #10 request for a certificate of a key, by @peculiar/x509; and such a key. */
// tsyringe, which the library is built on, wants it in place before it loads.
import "reflect-metadata";
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from "node:crypto";
import { cryptoProvider, Pkcs10CertificateRequestGenerator } from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
cryptoProvider.set(webcrypto as Crypto);

/** PKCS #8, PEM. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** DER. Names are the authority's to give. */
export async function makeRequest(key: string): Promise<Uint8Array> {
  const privateDer = createPrivateKey(key).export({ type: "pkcs8", format: "der" });
  const publicDer = createPublicKey(key).export({ type: "spki", format: "der" });
  const keys = {
    privateKey: await webcrypto.subtle.importKey("pkcs8", privateDer, algorithm, false, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", publicDer, algorithm, true, ["verify"]),
  } as CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=host",
    keys,
    signingAlgorithm: algorithm,
  });
  return new Uint8Array(request.rawData);
}
