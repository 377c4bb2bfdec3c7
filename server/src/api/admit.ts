/** Who calls the control plane's own services, and whether he may: decided before anything of a call's body is read. */
import { type ContextValues, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { problem } from "@daytonah/lib/problem.ts";
import type pg from "pg";
import { credentialInvalid, readCredential, unknownKey } from "../auth/credential.ts";
import { demandScope } from "../auth/demand-scope.ts";
import { type Caller, callerByHash } from "../db/callers.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import { needsNoCredential, scopeOfRpc, takesAccessTokens } from "./scopes.ts";

const accessTokenKey = createContextKey<string | undefined>(undefined, { description: "access token" });
const callerKey = createContextKey<Caller | undefined>(undefined, { description: "caller" });

export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (!caller) throw problem("INTERNAL", "The call was not authenticated.");
  return caller;
}

/** For the calls that takesAccessTokens says so of; undefined where an API key came. */
export function accessTokenIn(context: HandlerContext): string | undefined {
  return context.values.get(accessTokenKey);
}

export interface AdmitOptions {
  readonly pool: pg.Pool;
  readonly isPrepared: () => boolean;
  readonly onAdmitted: (request: NodeRequest) => void;
  /** Hears of each call that is turned away. */
  readonly onRefused: (rpc: string, error: unknown) => void;
}

export function createAdmit({ pool, isPrepared, onAdmitted, onRefused }: AdmitOptions) {
  const decide = async (request: NodeRequest, rpc: string, values: ContextValues) => {
    if (!isPrepared()) throw databaseUnavailable();
    if (needsNoCredential(rpc)) return;
    const credential = readCredential((name) => headerOf(request, name));
    if (credential.t === "access-token") {
      if (!takesAccessTokens(rpc)) {
        throw credentialInvalid("A sandbox's access token is good for its processes, files, ports and links only.");
      }
      values.set(accessTokenKey, credential.token);
      return;
    }
    const caller = await callerByHash(pool, credential.hash);
    if (!caller) throw unknownKey();
    const scope = scopeOfRpc(rpc);
    if (!scope) throw problem("UNKNOWN_CALL", "There is no such call.");
    demandScope(caller, scope);
    values.set(callerKey, caller);
  };
  return async (request: NodeRequest, path: string, values: ContextValues): Promise<void> => {
    const rpc = path.slice(1);
    try {
      await decide(request, rpc, values);
      if (!needsNoCredential(rpc)) onAdmitted(request); // whoever joins stays a stranger
    } catch (cause) {
      const error = asDatabaseProblem(cause);
      onRefused(rpc, error);
      throw error;
    }
  };
}
