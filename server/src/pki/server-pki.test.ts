import { X509Certificate } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempDir } from "../testing/temp-dir.ts";
import { leafLifeMs } from "./certificates.ts";
import { makePlatformKeys } from "./platform-keys.ts";
import { seal, unseal } from "./sealed.ts";
import { createServerPki } from "./server-pki.ts";
import { writeOnce } from "./write-once.ts";

test("what the server shows is of our authority, can't sign others, and is renewed after two thirds of its life", async () => {
  const now = Date.now();
  const pki = await createServerPki(await makePlatformKeys(now), now);
  const pem = pki.client.certificate;
  const first = new X509Certificate(pem);
  expect(first.checkIssued(new X509Certificate(pki.certificate))).toBe(true);
  expect(first.verify(new X509Certificate(pki.certificate).publicKey)).toBe(true);
  expect(first).toMatchObject({ subjectAltName: "DNS:dnah-server", ca: false });
  await pki.renewOwn(now + leafLifeMs / 2);
  expect(pki.client.certificate).toBe(pem);
  await pki.renewOwn(now + leafLifeMs * 0.7);
  const second = new X509Certificate(pki.client.certificate);
  expect(second.validToDate.getTime() - first.validToDate.getTime()).toBeGreaterThan(leafLifeMs * 0.6);
});

test("each name of a host has its own bearer, the same in every server", async () => {
  const keys = await makePlatformKeys(Date.now());
  const [first, again] = [await createServerPki(keys, Date.now()), await createServerPki(keys, Date.now())];
  expect(first.bearerOf("h1")).toBe(again.bearerOf("h1"));
  expect(first.bearerOf("h1")).not.toBe(first.bearerOf("h2"));
});

test("what is sealed opens with its secret alone, and only as it was", () => {
  const sealed = seal("secret", "text");
  expect(unseal("secret", sealed)).toBe("text");
  expect(unseal("other", sealed)).toBeUndefined();
  const changed = Buffer.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  expect(unseal("secret", changed)).toBeUndefined();
});

test("a secret is written once, for its owner alone", () => {
  using dir = tempDir();
  const path = join(dir.path, "new/key");
  expect(writeOnce(path, () => "first")).toBe("first");
  expect(writeOnce(path, () => "second")).toBe("first");
  expect(readdirSync(join(dir.path, "new"))).toEqual(["key"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
