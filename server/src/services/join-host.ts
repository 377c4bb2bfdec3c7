/** Lets a new host in by its one-time token: certificate, authority and bearer for its daemon, and its row for us. */
import { randomBytes } from "node:crypto";
import { fieldProblem, problem } from "@daytonah/lib/problem.ts";
import { admitHost } from "../db/hosts.ts";
import { nameOfJoined, useJoinToken } from "../db/join-tokens.ts";
import type { DbOrTx } from "../db/schema.ts";
import { hashOfJoinToken } from "../domain/join-token.ts";
import type { HostAuthority } from "../hosts/host-authority.ts";
import type { ServiceDeps } from "./deps.ts";

export interface JoinHostInput {
  readonly token: string;
  readonly hostId: string;
  /** PKCS #10. */
  readonly certificateRequest: Uint8Array;
  readonly url: string;
}

export interface JoinedHost {
  readonly hostId: string;
  readonly certificate: string;
  readonly authority: string;
  readonly bearer: string;
}

export async function joinHost(
  { db, clock, log }: Pick<ServiceDeps, "db" | "clock" | "log">,
  authority: HostAuthority,
  input: JoinHostInput,
): Promise<JoinedHost> {
  if (!URL.canParse(input.url)) throw fieldProblem("url", "must be an origin, such as https://10.0.0.5:18048.");
  const keyDigest = await authority.keyDigestOf(input.certificateRequest);
  const tlsName = await db.transaction().execute((tx) => admit(tx, input, keyDigest));
  log.info("host.joined", { host: input.hostId, url: input.url });
  return {
    hostId: input.hostId,
    certificate: await authority.certify(input.certificateRequest, tlsName, clock.now()),
    authority: authority.certificate,
    bearer: authority.bearerOf(tlsName),
  };
}

/** Token and row, both or neither. Returns the host's name in its certificates. */
async function admit(tx: DbOrTx, { token, hostId, url }: JoinHostInput, keyDigest: Buffer): Promise<string> {
  const use = { hash: hashOfJoinToken(token), hostId, keyDigest };
  const tlsName = newTlsName();
  const used = await useJoinToken(tx, use, tlsName);
  if (!used) {
    const before = await nameOfJoined(tx, use);
    if (before !== undefined) return before; // its first answer was lost on the way
    throw problem("CREDENTIAL_INVALID", "The token is wrong, used, over, or made for another host.", {
      nextStep: "Make a new one with `dnah host token`.",
    });
  }
  // Only a token that names this host lets it in again: any other may make new hosts, not take over one that there is.
  const host = { id: hostId, url: new URL(url).origin, tlsName, again: used.hostId === hostId };
  if (await admitHost(tx, host)) return tlsName;
  throw fieldProblem(
    "host_id",
    `there is a host ${hostId} already.`,
    `Choose another id; or remove that host first; or let it join again with \`dnah host token --host-id ${hostId}\`.`,
  );
}

/** Made anew at each joining, so that a certificate of before is believed no more. A host name: TLS asks by it. */
function newTlsName(): string {
  return `h${randomBytes(16).toString("hex")}`;
}
