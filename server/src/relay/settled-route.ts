/** While a sandbox is being paused or resumed, or moves to another host, its calls wait for what comes of it. */
import { sleep } from "@daytonah/lib/sleep.ts";
import type { Route } from "../db/callers.ts";

const patienceMs = 30_000;

/** The route that `find` gives, as soon as its sandbox is settled, or after half a minute. */
export async function settledRoute(find: () => Promise<Route | undefined>): Promise<Route | undefined> {
  const route = await find();
  return isMoving(route) ? await awaitSettled(route, find) : route;
}

async function awaitSettled(first: Route | undefined, find: () => Promise<Route | undefined>) {
  const patience = AbortSignal.timeout(patienceMs);
  let route = first;
  for (let waitMs = 20; isMoving(route) && !patience.aborted; waitMs = Math.min(200, waitMs * 1.5)) {
    await sleep(waitMs, { signal: patience }).catch(() => undefined);
    route = await find();
  }
  return route;
}

function isMoving(route: Route | undefined): boolean {
  return route !== undefined && (route.state === "pausing" || route.state === "resuming" || route.moving);
}

/** Its host takes calls for it: it runs, or is woken by the first of them. */
export function isReachable(route: Route): route is Route & { readonly orgId: string; readonly hostId: string } {
  const { state, autoResume, orgId, hostId } = route;
  return (state === "running" || (state === "paused" && autoResume)) && orgId !== null && hostId !== null;
}
