import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PkiDir } from "../pki/pki-dir.ts";
import { clientsOf, sessionOf } from "../testing/daemon.ts";
import { makePki, type TestPki } from "../testing/pki.ts";
import { servedVm } from "./testing/served-vm.ts";

let dir: string;
let pki: TestPki;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "dnah-"));
  pki = makePki(dir);
});
afterEach(() => rmSync(dir, { recursive: true }));

/** What an authority makes of a request. */
function certify(request: Uint8Array, name = "renewed"): string {
  writeFileSync(join(dir, "request.der"), request);
  const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-days", "2"];
  const flags = ["x509", "-req", "-inform", "DER", "-in", "request.der", "-subj", `/CN=${name}`, ...ca];
  return execFileSync("openssl", flags, { cwd: dir, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

/** Name in the certificate that a new connection is shown. */
async function shownAt(url: string): Promise<string | undefined> {
  const socket = tls.connect({ port: Number(new URL(url).port), ca: pki.ca, ...pki.server, servername: "localhost" });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test("a certificate is renewed while a stream goes on; new connections see the new one, also after a restart", async () => {
  await using daemon = await servedVm(pki, "/nonexistent");
  const session = sessionOf(daemon.url, pki, pki.server);
  const { host } = clientsOf(daemon.url, session, pki.bearer);
  const watching = new AbortController();
  const events = host.watchVms({}, { signal: watching.signal })[Symbol.asyncIterator]();
  await events.next();
  expect(await shownAt(daemon.url)).toBe("host1");

  const { certificateRequest } = await host.requestCertificate({});
  const certificate = certify(certificateRequest);
  await host.installCertificate({ certificate });
  expect(await shownAt(daemon.url)).toBe("renewed");
  expect((await events.next()).value).toMatchObject({ event: { case: "synced" } });
  expect((await events.next()).value).toMatchObject({ event: { case: "heartbeat" } }); // the old connection lives
  expect(new PkiDir(dir).read().certificate.trim()).toBe(certificate.trim());
  expect(readdirSync(dir)).not.toContain("next.key");
  watching.abort();
  await events.next().catch(() => undefined);
  session.abort();
});

test("a certificate for another key, of another authority, or none at all changes nothing", async () => {
  await using daemon = await servedVm(pki, "/nonexistent");
  const session = sessionOf(daemon.url, pki, pki.server);
  const { host } = clientsOf(daemon.url, session, pki.bearer);
  const { certificateRequest } = await host.requestCertificate({});
  const selfSigned = execFileSync("openssl", ["x509", "-in", "ca.pem"], { cwd: dir, encoding: "utf8" });
  const other = makePki(mkdtempSync(join(dir, "other-")));
  for (const certificate of [selfSigned, other.server.cert, "no certificate"]) {
    const error = await host.installCertificate({ certificate }).catch(problemOf);
    expect(error).toMatchObject({ reason: "FIELD_INVALID" });
  }
  expect(await shownAt(daemon.url)).toBe("host1");
  await host.installCertificate({ certificate: certify(certificateRequest) });
  expect(await shownAt(daemon.url)).toBe("renewed");
  session.abort();
});

test("an installation that was cut off after the certificate's rename is finished at the next start", async () => {
  const files = new PkiDir(dir);
  const request = await files.request();
  writeFileSync(join(dir, "host.pem.new"), certify(request));
  renameSync(join(dir, "host.pem.new"), join(dir, "host.pem"));
  const { certificate, key } = files.read();
  expect(new X509Certificate(certificate).subject).toBe("CN=renewed");
  expect(tls.createSecureContext({ cert: certificate, key })).toBeDefined();
});

test("a certificate of the server is taken while it holds, and refused when it has expired", async () => {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe", encoding: "utf8" });
  openssl("req", "-new", "-key", "server.key", "-out", "server.csr", "-subj", "/CN=dnah-server");
  const certificateFor = (days: number) => {
    const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days)];
    return openssl("x509", "-req", "-in", "server.csr", ...ca);
  };
  await using daemon = await servedVm(pki, "/nonexistent");
  const ask = async (cert: string) => {
    const session = sessionOf(daemon.url, pki, { cert, key: pki.server.key });
    try {
      return await clientsOf(daemon.url, session, pki.bearer).host.listVms({});
    } finally {
      session.abort();
    }
  };
  expect((await ask(certificateFor(1))).vms).toHaveLength(1);
  await expect(ask(certificateFor(-1))).rejects.toThrow();
});
