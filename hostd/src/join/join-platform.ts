/** Joins this host: makes its key, has it certified, and believes only the authority that the token names. */
import { createHash, X509Certificate } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { PkiDir } from "../pki/pki-dir.ts";

export interface JoinOptions {
  /** Origin of the API. */
  readonly server: string;
  readonly token: string;
  readonly hostId: string;
  /** Origin of this host's daemon, as the control plane reaches it. */
  readonly url: string;
  readonly pkiDir: string;
}

const joinMs = 30_000;

export async function joinPlatform({ server, token, hostId, url, pkiDir }: JoinOptions): Promise<void> {
  const pki = new PkiDir(pkiDir);
  const client = createClient(HostService, createConnectTransport({ baseUrl: server, httpVersion: "1.1" }));
  const certificateRequest = await pki.request();
  const joined = await client.joinHost({ token, hostId, certificateRequest, url }, { timeoutMs: joinMs });
  if (fingerprintOf(joined.authority) !== token.slice(token.lastIndexOf(".") + 1)) {
    throw problem("CREDENTIAL_INVALID", `${server} is not the platform that made this token.`, {
      nextStep: "Check the URL; use https:// where the way there is not your own.",
    });
  }
  pki.join(joined);
  pki.install(joined.certificate);
}

function fingerprintOf(authority: string): string {
  return createHash("sha256").update(new X509Certificate(authority).raw).digest("base64url");
}
