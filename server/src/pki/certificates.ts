/** X.509 by @peculiar/x509: ECDSA P-256, a name in subject and SAN. */
// tsyringe, which the library is built on, wants it in place before it loads.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
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

/** Of what hosts and servers show to each other. They are renewed in time: docs/many-hosts.md. */
export const leafLifeMs = 30 * dayMs;

export interface LeafOptions {
  readonly name: string;
  readonly use: "server" | "client";
  readonly now: number;
  /** leafLifeMs where absent. */
  readonly lifeMs?: number;
}

/** A certificate, PEM, for a key that its holder keeps. */
export async function issueLeaf(authority: PemPair, publicKey: CryptoKey, options: LeafOptions): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const use = options.use === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=${options.name}`,
    issuer: issuer.subject,
    notBefore: new Date(options.now - skewMs),
    notAfter: new Date(options.now + (options.lifeMs ?? leafLifeMs)),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: await readKey(authority.key),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([use]),
      new SubjectAlternativeNameExtension([{ type: "dns", value: options.name }]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return certificate.toString("pem");
}

export async function makeLeaf(authority: PemPair, options: LeafOptions): Promise<PemPair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await issueLeaf(authority, keys.publicKey as CryptoKey, options);
  return { certificate, key: await pemOfKey(keys.privateKey as CryptoKey) };
}

/** The key of a PKCS #10 request; undefined where it is none, or was not signed by the holder of that key. */
export async function keyOfRequest(request: Uint8Array): Promise<CryptoKey | undefined> {
  try {
    const parsed = new Pkcs10CertificateRequest(Uint8Array.from(request));
    if (!(await parsed.verify())) return undefined;
    return (await parsed.publicKey.export(algorithm, ["verify"])) as CryptoKey;
  } catch {
    return undefined; // the parser's words are of no use to whoever sent it
  }
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
