/** Who calls which sandbox, and where it is: one indexed query, or what it said within the last second. */
import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import { fieldProblem, type Problem, problem } from "@daytonah/lib/problem.ts";
import { type FilesAddress, fileGrantOf } from "@daytonah/lib/sandbox-files.ts";
import { checkFileQuery, type FileGrant, signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import type pg from "pg";
import { dataPlaneScope } from "../api/scopes.ts";
import type { CallLimit } from "../auth/call-limit.ts";
import { type Credential, readCredential, unknownKey } from "../auth/credential.ts";
import { demandScope } from "../auth/demand-scope.ts";
import type { Lookup } from "../auth/lookups.ts";
import { callerAndRoute, type Route, routeById } from "../db/callers.ts";
import { accessTokenOf, isAccessTokenOf } from "../domain/access-token.ts";
import type { SandboxState } from "../domain/sandbox-state.ts";
import { sandboxNotFound } from "../services/sandbox-problems.ts";
import { type BriefAnswers, createBriefAnswers } from "./brief-answers.ts";
import type { RouteCache } from "./route-cache.ts";
import { isReachable, settledRoute } from "./settled-route.ts";

export interface Target {
  readonly sandboxId: string;
  readonly orgId: string;
  readonly epoch: string;
  readonly hostId: string;
  /** Of the access token that the call came with; absent where it came with an API key. */
  readonly tokenGeneration?: number;
}

export interface TargetOptions {
  readonly pool: pg.Pool;
  readonly calls: CallLimit;
  readonly lookup: Lookup;
  readonly tokenKey: () => string;
  readonly routes: RouteCache;
  readonly strangersRoutes: StrangersRoutes;
}

/** Routes for whoever shows a token or a signature, forged ones too; undefined for a sandbox that never was. */
export type StrangersRoutes = BriefAnswers<Route | undefined>;

/** Short: a token that another server has just made must not be refused by what this one knows of before. */
const strangersKeepMs = 100;

export function createStrangersRoutes(pool: pg.Pool, lookup: Lookup, now: () => number): StrangersRoutes {
  const find = (sandboxId: string) => lookup(sandboxId, () => routeById(pool, sandboxId));
  return createBriefAnswers({ find, keepMs: strangersKeepMs, now });
}

export const sandboxIdHeader = "sandbox-id";

/** Throws the problem that the client gets. */
export function findTarget(
  options: TargetOptions,
  header: (name: string) => string | undefined,
): Target | Promise<Target> {
  const credential = readCredential(header);
  const sandboxId = header(sandboxIdHeader);
  if (sandboxId === undefined || !/^[a-z0-9]{1,63}$/.test(sandboxId)) {
    throw fieldProblem(
      sandboxIdHeader,
      sandboxId === undefined ? "this header is missing." : "must match [a-z0-9]{1,63}.",
      "Send the sandbox's id in the header `sandbox-id`.",
    );
  }
  const name = credential.t === "api-key" ? credential.hash.toString("latin1") : credential.token;
  return options.routes.get(name, sandboxId, async () => {
    using _asking = options.calls.enter(name, "streams"); // it may wait for long
    return await search(options, credential, sandboxId);
  });
}

/** The same for an address of files: it names the sandbox itself, and may be signed instead of coming with a credential. */
export function findFilesTarget(
  options: TargetOptions,
  address: FilesAddress,
  method: string,
  header: (name: string) => string | undefined,
): Target | Promise<Target> {
  const grant = header("authorization") === undefined ? fileGrantOf(method, address) : undefined;
  if (grant) return findSignedTarget(options, grant, address.query);
  return findTarget(options, (name) => (name === sandboxIdHeader ? address.sandboxId : header(name)));
}

async function findSignedTarget(
  { calls, strangersRoutes, tokenKey }: TargetOptions,
  grant: FileGrant,
  query: URLSearchParams,
): Promise<Target> {
  const { sandboxId } = grant;
  using _asking = calls.enter(sandboxId, "streams");
  const route = await settledRoute(() => strangersRoutes.get(sandboxId));
  // Of a sandbox that is not there a stranger learns nothing: its signature is as wrong as any other.
  const token = accessTokenOf(tokenKey(), sandboxId, route?.tokenGeneration ?? -1);
  checkFileQuery(signingKeyOf(token), grant, query, new Date());
  return targetOf(route, sandboxId, true);
}

async function search(options: TargetOptions, credential: Credential, sandboxId: string): Promise<Target> {
  const route = await settledRoute(() => findRoute(options, credential, sandboxId));
  return targetOf(route, sandboxId, credential.t === "access-token");
}

/** `ofToken`: the call ends with the sandbox's present access token. */
function targetOf(route: Route | undefined, sandboxId: string, ofToken: boolean): Target {
  if (!route || route.state === "deleted") throw sandboxNotFound(sandboxId);
  if (!isReachable(route)) throw notRunning(route);
  const target = { sandboxId, orgId: route.orgId, epoch: route.epoch, hostId: route.hostId };
  return ofToken ? { ...target, tokenGeneration: route.tokenGeneration } : target;
}

async function findRoute(
  { pool, lookup, tokenKey, strangersRoutes }: TargetOptions,
  credential: Credential,
  sandboxId: string,
): Promise<Route | undefined> {
  if (credential.t === "access-token") {
    const route = await strangersRoutes.get(sandboxId);
    if (route && isAccessTokenOf(credential.token, tokenKey(), sandboxId, route.tokenGeneration)) return route;
    throw accessTokenInvalid();
  }
  const { hash } = credential;
  const found = await lookup(hash.toString("latin1"), () => callerAndRoute(pool, hash, sandboxId));
  if (!found) throw unknownKey();
  demandScope(found.caller, dataPlaneScope);
  return found.route;
}

/** For whoever may know of the sandbox. */
export function notRunning({ sandboxId, state, failureReason }: Route): Problem {
  const metadata = { sandbox_id: sandboxId, state, ...(failureReason ? { failure_reason: failureReason } : {}) };
  if (state === "lost") {
    return problem("HOST_LOST", `The host of sandbox ${sandboxId} does not answer.`, { metadata, retryDelayMs: 5_000 });
  }
  if (state === "paused") return problem("SANDBOX_PAUSED", `The sandbox ${sandboxId} is paused.`, { metadata });
  return problem("SANDBOX_NOT_RUNNING", `The sandbox ${sandboxId} is ${state}.`, {
    metadata,
    ...(nextSteps[state] ? { nextStep: nextSteps[state] } : {}),
  });
}

const nextSteps: Partial<Record<SandboxState, string>> = {
  failed: "Resume it: it starts again from its disk. Get shows why it failed.",
  deleting: "Make a new sandbox.",
};
