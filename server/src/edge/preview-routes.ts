/**
 * Who may come to a sandbox's ports, and where it is: one indexed query, or what it said within the last second. That a
 * sandbox is not there is remembered, too: strangers guess.
 */
import type { SandboxAccess } from "@daytonah/lib/edge/admit-visitor.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import type pg from "pg";
import type { Lookup } from "../auth/lookups.ts";
import { type Route, routeById } from "../db/callers.ts";
import { asDatabaseProblem, databaseUnavailable } from "../db/database-problem.ts";
import { accessTokenOf } from "../domain/access-token.ts";
import { type BriefAnswers, createBriefAnswers } from "../relay/brief-answers.ts";
import { notRunning, type Target } from "../relay/find-target.ts";
import { isReachable, settledRoute } from "../relay/settled-route.ts";

export interface PreviewRoute {
  readonly access: SandboxAccess;
  /** Absent where it is not running. */
  readonly target?: Target;
}

/** Undefined for a sandbox that never was. */
export type PreviewRoutes = BriefAnswers<PreviewRoute | undefined>;

export interface PreviewRoutesOptions {
  readonly pool: pg.Pool;
  readonly lookup: Lookup;
  readonly tokenKey: () => string;
  readonly isPrepared: () => boolean;
  readonly now: () => number;
}

const keepMs = 1_000;

export function createPreviewRoutes({ pool, lookup, tokenKey, isPrepared, now }: PreviewRoutesOptions): PreviewRoutes {
  const find = async (sandboxId: string) => {
    if (!isPrepared()) throw databaseUnavailable();
    try {
      const route = await settledRoute(() => lookup(sandboxId, () => routeById(pool, sandboxId)));
      return route && previewRouteOf(route, tokenKey());
    } catch (error) {
      throw asDatabaseProblem(error);
    }
  };

  return createBriefAnswers({ find, keepMs, now });
}

function previewRouteOf(route: Route, tokenKey: string): PreviewRoute {
  const { sandboxId, epoch, tokenGeneration, publicPorts } = route;
  const signingKey = signingKeyOf(accessTokenOf(tokenKey, sandboxId, tokenGeneration));
  if (route.state === "deleted") {
    // What was public is no longer: only who has a link learns that the sandbox was there.
    const unavailable = problem("SANDBOX_NOT_FOUND", "The sandbox was deleted.", {
      nextStep: "Ask whoever gave you the link for a new one.",
    });
    return { access: { signingKey, publicPorts: [], unavailable } };
  }
  const access = { signingKey, publicPorts };
  if (!isReachable(route)) return { access: { ...access, unavailable: notRunning(route) } };
  return { access, target: { sandboxId, orgId: route.orgId, epoch, hostId: route.hostId, tokenGeneration } };
}
