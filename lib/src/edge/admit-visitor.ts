/** Whether a visitor may come to a port of a sandbox: public ports are open, all others need a token. */
import { type Problem, problem, problemOf } from "../problem.ts";
import { checkPortToken } from "../sandbox-signature.ts";
import type { PreviewHost } from "./preview-host.ts";

/** What the side that knows the sandbox tells of it. */
export interface SandboxAccess {
  /** Of its port tokens. */
  readonly signingKey: Uint8Array;
  readonly publicPorts: readonly number[];
  /** Why it can't be reached now: told only to whom is let in. */
  readonly unavailable?: Problem;
}

export interface Visit {
  readonly host: PreviewHost;
  readonly queryTokens: readonly string[];
  readonly headerTokens: readonly string[];
  /** Only where the cookie speaks for the visitor. */
  readonly cookieTokens: readonly string[];
}

export interface Admission {
  /** Let in because the port is public. */
  readonly asPublic: boolean;
  /** A link's token, worth keeping in a cookie, and when it ends. */
  readonly link?: { readonly token: string; readonly expireTime: Date };
}

/**
 * Throws the problem that the visitor gets. A stranger gets the same for a private port, a sandbox that is gone and one
 * that never was.
 */
export function admitVisitor(access: SandboxAccess | undefined, visit: Visit, now: Date): Admission {
  const admission = access?.publicPorts.includes(visit.host.port)
    ? { asPublic: true }
    : checkTokens(access, visit, now);
  if (access?.unavailable) throw access.unavailable;
  return admission;
}

function checkTokens(access: SandboxAccess | undefined, visit: Visit, now: Date): Admission {
  const { port, sandboxId } = visit.host;
  let failure: Problem | undefined;
  const check = (token: string): Date | undefined => {
    try {
      if (!access) throw problem("CREDENTIAL_INVALID", "");
      return checkPortToken(access.signingKey, sandboxId, port, token, now);
    } catch (error) {
      const refusal = problemOf(error);
      if (refusal?.reason === "LINK_EXPIRED" || !failure) failure = refusal;
      return undefined;
    }
  };
  for (const token of visit.queryTokens) {
    const expireTime = check(token);
    if (expireTime) return { asPublic: false, link: { token, expireTime } };
  }
  for (const token of [...visit.headerTokens, ...visit.cookieTokens]) if (check(token)) return { asPublic: false };
  if (failure?.reason === "LINK_EXPIRED") throw failure;
  throw problem(
    failure ? "CREDENTIAL_INVALID" : "CREDENTIAL_MISSING",
    failure ? "The link's token is not one of this port." : "This port is private, or not there.",
    { nextStep: "Ask for a link to this port, or for the port to be made public." },
  );
}
