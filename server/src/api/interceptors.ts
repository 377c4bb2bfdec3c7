/** What happens around every call of the control plane's own services. */
import { createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { problem } from "@daytonah/lib/problem.ts";
import { requestIdKey } from "@daytonah/lib/request-id.ts";
import type pg from "pg";
import { credentialInvalid, readCredential, unknownKey } from "../auth/credential.ts";
import { demandScope } from "../auth/demand-scope.ts";
import { type Caller, callerByHash } from "../db/callers.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import type { CallerOptions } from "../services/create-sandbox.ts";
import { scopeOfRpc, takesAccessTokens } from "./scopes.ts";

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

export function callOf(context: HandlerContext): CallerOptions {
  return { signal: context.signal, requestId: context.values.get(requestIdKey) };
}

/** A database that is away becomes DATABASE_UNAVAILABLE, wherever the call notices; also until it is migrated. */
export function databaseErrors(isPrepared: () => boolean): Interceptor {
  return (next) => async (request) => {
    if (!isPrepared()) throw databaseUnavailable();
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: withDatabaseProblems(response.message) } : response;
    } catch (error) {
      throw asDatabaseProblem(error);
    }
  };
}

async function* withDatabaseProblems<T>(messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (error) {
    throw asDatabaseProblem(error);
  }
}

export function authenticate(pool: pg.Pool): Interceptor {
  return (next) => async (request) => {
    const credential = readCredential((name) => request.header.get(name));
    if (credential.t === "access-token") {
      if (!takesAccessTokens(request.service.typeName, request.method.name)) {
        throw credentialInvalid("A sandbox's access token is good for its processes, files, ports and links only.");
      }
      request.contextValues.set(accessTokenKey, credential.token);
      return next(request);
    }
    const caller = await callerByHash(pool, credential.hash);
    if (!caller) throw unknownKey();
    const scope = scopeOfRpc(request.service.typeName, request.method.name);
    if (!scope) throw problem("UNKNOWN_CALL", "There is no such call.");
    demandScope(caller, scope);
    request.contextValues.set(callerKey, caller);
    return next(request);
  };
}
