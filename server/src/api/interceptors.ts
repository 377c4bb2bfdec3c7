/** What happens around every call of the control plane's own services, once it was admitted (admit.ts). */
import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { requestIdKey } from "@daytonah/lib/request-id.ts";
import { asDatabaseProblem } from "../db/database-problem.ts";
import type { CallerOptions } from "../services/create-sandbox.ts";

export function callOf(context: HandlerContext): CallerOptions {
  return { signal: context.signal, requestId: context.values.get(requestIdKey) };
}

/** A database that is away becomes DATABASE_UNAVAILABLE, wherever the call notices. */
export const databaseErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: withDatabaseProblems(response.message) } : response;
  } catch (error) {
    throw asDatabaseProblem(error);
  }
};

async function* withDatabaseProblems<T>(messages: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (error) {
    throw asDatabaseProblem(error);
  }
}
