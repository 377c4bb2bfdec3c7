/** Certificates for tests, by openssl: an authority, the host's, the server's, and one that is not the server's. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TestPki {
  /** For DNAH_PKI_DIR. */
  readonly dir: string;
  readonly ca: string;
  readonly bearer: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly stranger: { readonly cert: string; readonly key: string };
}

export function makePki(dir: string): TestPki {
  mkdirSync(dir, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2");
  writeFileSync(join(dir, "san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  for (const [file, name] of [
    ["host", "host1"],
    ["server", "dnah-server"],
    ["stranger", "somebody"],
  ] as const) {
    openssl("req", ...key, "-keyout", `${file}.key`, "-out", `${file}.csr`, "-subj", `/CN=${name}`);
    const ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl("x509", "-req", "-in", `${file}.csr`, ...ca, "-out", `${file}.pem`, "-days", "2", "-extfile", "san");
  }
  writeFileSync(join(dir, "bearer"), "test-bearer\n");
  const read = (name: string) => readFileSync(join(dir, name), "utf8");
  return {
    ...{ dir, ca: read("ca.pem"), bearer: "test-bearer" },
    server: { cert: read("server.pem"), key: read("server.key") },
    stranger: { cert: read("stranger.pem"), key: read("stranger.key") },
  };
}
