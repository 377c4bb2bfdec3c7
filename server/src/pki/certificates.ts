/** X.509 by @peculiar/x509: ECDSA P-256, names in subject and SAN. */
// tsyringe, which the library is built on, wants it in place before it loads.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

export interface PemPair {
  readonly certificate: string;
  readonly key: string;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
cryptoProvider.set(webcrypto as Crypto);

/** Clocks of two machines may differ by this much. */
const skewMs = 60 * 60 * 1000;
const dayMs = 24 * 60 * 60 * 1000;

export async function makeAuthority(now: number): Promise<PemPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: "CN=DaytoNah CA",
    notBefore: new Date(now - skewMs),
    notAfter: new Date(now + 20 * 365 * dayMs),
    signingAlgorithm: algorithm,
    keys: keys as CryptoKeyPair,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as CryptoKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await pemOfKey(keys.privateKey as CryptoKey) };
}

export interface LeafOptions {
  readonly name: string;
  readonly use: "server" | "client";
  /** Further names and addresses that a server is reached by. */
  readonly addresses?: readonly string[];
  readonly now: number;
}

export async function makeLeaf(authority: PemPair, options: LeafOptions): Promise<PemPair> {
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await readKey(authority.key);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const use = options.use === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
  const names = [options.name, ...(options.addresses ?? [])];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=${options.name}`,
    issuer: issuer.subject,
    notBefore: new Date(options.now - skewMs),
    notAfter: new Date(options.now + 10 * 365 * dayMs),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey as CryptoKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([use]),
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value })),
      ),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as CryptoKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await pemOfKey(keys.privateKey as CryptoKey) };
}

function newSerial(): string {
  // The first bit 0: a serial is positive.
  return `4${Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)))
    .toString("hex")
    .slice(1)}`;
}

async function pemOfKey(key: CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

async function readKey(pem: string): Promise<CryptoKey> {
  const der = PemConverter.decodeFirst(pem);
  return (await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"])) as CryptoKey;
}
