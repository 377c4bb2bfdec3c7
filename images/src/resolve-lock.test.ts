import { expect, test } from "vitest";
import { acquireSettings } from "./apt-root.ts";
import { parsePrintUris } from "./resolve-lock.ts";

const mirrors = { main: "http://m.example/debian", security: "http://m.example/debian-security" };
const hash = "0f".repeat(32);

test("apt's list of URIs becomes locked packages, with epochs and archives told apart", () => {
  const text = `Reading package lists...
'http://m.example/debian/pool/main/g/git/git_2.39-0%2bdeb12u3_amd64.deb' git_1%3a2.39-0+deb12u3_amd64.deb 7 SHA256:${hash}
'http://m.example/debian-security/pool/updates/main/a/apt/apt_2.6_amd64.deb' apt_2.6_amd64.deb 8 SHA256:${hash}`;
  const common = { sha256: hash };
  expect(parsePrintUris(text, mirrors)).toEqual([
    {
      name: "git",
      version: "1:2.39-0+deb12u3",
      archive: "main",
      filename: "pool/main/g/git/git_2.39-0+deb12u3_amd64.deb",
      sizeBytes: 7,
      ...common,
    },
    {
      name: "apt",
      version: "2.6",
      archive: "security",
      filename: "pool/updates/main/a/apt/apt_2.6_amd64.deb",
      sizeBytes: 8,
      ...common,
    },
  ]);
});

test("a package without a SHA-256 cannot be locked", () => {
  expect(() => parsePrintUris("'http://m.example/debian/a.deb' a_1_all.deb 7 MD5Sum:00", mirrors)).toThrow(
    /no SHA-256 for a_1_all\.deb/,
  );
});

test("of the host's apt configuration only what concerns fetching is taken over", () => {
  const dump = `APT::Architecture "s390x";\nAcquire::http::Proxy "http://p:3142";\nAcquire::https "";\nAcquire::GzipIndexes "true";\nDPkg::Post-Invoke:: "rm x";\n`;
  expect(acquireSettings(dump)).toBe(
    'Acquire::http::Proxy "http://p:3142";\nAcquire::Languages "none";\nAcquire::Retries "3";\n',
  );
});
