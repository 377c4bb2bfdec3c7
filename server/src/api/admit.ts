/** Who calls the control plane's own services, whether he may, and not too much at once: decided before anything of a call's body is read. */
import { type ContextValues, createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { heldKey } from "@daytonah/lib/rpc-listener.ts";
import type pg from "pg";
import type { CallLimit } from "../auth/call-limit.ts";
import { credentialInvalid, readCredential, unknownKey } from "../auth/credential.ts";
import { demandScope } from "../auth/demand-scope.ts";
import type { Lookup } from "../auth/lookups.ts";
import { type Caller, callerByHash } from "../db/callers.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import { onBehalfOf } from "../db/fair-pool.ts";
import { callKindOf } from "./call-kind.ts";
import { needsNoCredential, scopeOfRpc, takesAccessTokens } from "./scopes.ts";

const tokenHolderKey = createContextKey<TokenHolder | undefined>(undefined, { description: "access token" });
const callerKey = createContextKey<Caller | undefined>(undefined, { description: "caller" });

export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (!caller) throw problem("INTERNAL", "The call was not authenticated.");
  return caller;
}

/** Whoever came with an access token, which nobody has looked at yet. */
export interface TokenHolder {
  readonly token: string;
  /** For the sandbox that he names. */
  readonly lookup: Lookup;
  /** Counts the call, once it is known whose sandbox it is for. Throws where there are too many. */
  readonly count: (orgId: string) => void;
}

/** For the calls that takesAccessTokens says so of; undefined where an API key came. */
export function tokenHolderOf(context: HandlerContext): TokenHolder | undefined {
  return context.values.get(tokenHolderKey);
}

/** What a call asks of the database is asked for its caller's organization, also by what goes on when he has gone. */
export const askForCaller: Interceptor = (next) => (request) => {
  const caller = request.contextValues.get(callerKey);
  return caller ? onBehalfOf(caller.orgId, () => next(request)) : next(request);
};

export interface AdmitOptions {
  readonly pool: pg.Pool;
  readonly calls: CallLimit;
  readonly lookup: Lookup;
  readonly isPrepared: () => boolean;
  readonly onAdmitted: (request: NodeRequest) => void;
  /** Hears of each call that is turned away. */
  readonly onRefused: (rpc: string, error: unknown) => void;
}

/** Calls without a credential are nobody's: all of them are counted together. */
const nobody = "";

export function createAdmit({ pool, calls, lookup, isPrepared, onAdmitted, onRefused }: AdmitOptions) {
  const decide = async (request: NodeRequest, rpc: string, values: ContextValues) => {
    if (!isPrepared()) throw databaseUnavailable();
    const kind = callKindOf(rpc);
    const count = (who: string) => void values.get(heldKey).use(calls.enter(who, kind));
    if (needsNoCredential(rpc)) return count(nobody);
    const credential = readCredential((name) => headerOf(request, name));
    if (credential.t === "access-token") {
      if (!takesAccessTokens(rpc)) {
        throw credentialInvalid("A sandbox's access token is good for its processes, files, ports and links only.");
      }
      values.set(tokenHolderKey, { token: credential.token, lookup, count });
      return;
    }
    const name = credential.hash.toString("latin1");
    using _asking = calls.enter(name, kind); // refused here, it costs no query
    const caller = await lookup(name, () => callerByHash(pool, credential.hash));
    if (!caller) throw unknownKey();
    const scope = scopeOfRpc(rpc);
    if (!scope) throw problem("UNKNOWN_CALL", "There is no such call.");
    demandScope(caller, scope);
    count(caller.orgId);
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
