import { X509Certificate } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempDir } from "../testing/temp-dir.ts";
import { makeLeaf } from "./certificates.ts";
import { openServerPki } from "./server-pki.ts";
import { writeOnce } from "./write-once.ts";

test("starts at once make one authority, readable by its owner alone, and leave nothing else", async () => {
  using dir = tempDir();
  const all = await Promise.all(Array.from({ length: 5 }, () => openServerPki(dir.path, Date.now())));
  expect(new Set(all.map(({ authority }) => authority.certificate)).size).toBe(1);
  expect(readdirSync(dir.path)).toEqual(["pki"]);
  for (const name of readdirSync(join(dir.path, "pki"))) {
    expect(statSync(join(dir.path, "pki", name)).mode & 0o777).toBe(0o600);
  }
});

test("a host's certificate is of our authority, has its id and addresses, and can't sign others", async () => {
  using dir = tempDir();
  const { authority } = await openServerPki(dir.path, Date.now());
  const options = { name: "h1", use: "server", addresses: ["10.0.0.7", "h1.example"], now: Date.now() } as const;
  const certificate = new X509Certificate((await makeLeaf(authority, options)).certificate);
  expect(certificate.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true);
  expect(certificate.subjectAltName).toBe("DNS:h1, IP Address:10.0.0.7, DNS:h1.example");
  expect(certificate.ca).toBe(false);
});

test("each host has its own bearer, the same at every start", async () => {
  using dir = tempDir();
  const first = await openServerPki(dir.path, Date.now());
  const again = await openServerPki(dir.path, Date.now());
  expect(first.bearerOf("h1")).toBe(again.bearerOf("h1"));
  expect(first.bearerOf("h1")).not.toBe(first.bearerOf("h2"));
});

test("a secret is written once", () => {
  using dir = tempDir();
  const path = join(dir.path, "new/key");
  expect(writeOnce(path, () => "first")).toBe("first");
  expect(writeOnce(path, () => "second")).toBe("first");
  expect(readdirSync(join(dir.path, "new"))).toEqual(["key"]);
});
