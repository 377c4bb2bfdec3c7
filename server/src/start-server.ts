/** The composition of the whole server, without anything of the process: main.ts and tests start it. */
import type { AddressInfo } from "node:net";
import { listenDual } from "@daytonah/lib/dual-http-server.ts";
import { typedErrors, validateRequests } from "@daytonah/lib/interceptors.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import type { NodeRequest } from "@daytonah/lib/node-http.ts";
import { createRpcListener } from "@daytonah/lib/rpc-listener.ts";
import { Strangers } from "@daytonah/lib/strangers.ts";
import { askForCaller, createAdmit } from "./api/admit.ts";
import { databaseErrors } from "./api/interceptors.ts";
import { apiRoutes } from "./api/routes.ts";
import { createCallLimit } from "./auth/call-limit.ts";
import { createLookups } from "./auth/lookups.ts";
import type { Config } from "./config.ts";
import { databaseUnavailable } from "./db/database-problem.ts";
import type { AdmittedHost } from "./db/hosts.ts";
import { openDatabase } from "./db/open-database.ts";
import type { Clock } from "./domain/clock.ts";
import { drainWithin } from "./drain-within.ts";
import { createPortEdge } from "./edge/port-edge.ts";
import { createPreviewRoutes } from "./edge/preview-routes.ts";
import { createHostDirectory } from "./hosts/host-directory.ts";
import type { HostAddress } from "./hosts/host-tls.ts";
import { createHandler } from "./http/handler.ts";
import { createMetrics } from "./http/metrics.ts";
import { readReadiness } from "./http/readiness.ts";
import { createForgetOld } from "./jobs/forget-old.ts";
import { createRunJobs } from "./jobs/run-jobs.ts";
import { createFollowHosts } from "./loops/follow-hosts.ts";
import type { HostStatus, HostStatuses } from "./loops/host-statuses.ts";
import { runLoops } from "./loops/run-loops.ts";
import { openPlatformKeys } from "./pki/platform-keys.ts";
import { createServerPki, type ServerPki } from "./pki/server-pki.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { createStrangersRoutes } from "./relay/find-target.ts";
import { createRelay } from "./relay/relay.ts";
import { createRouteCache } from "./relay/route-cache.ts";
import { createBackground } from "./services/background.ts";
import { createEventFeed } from "./services/event-feed.ts";
import { createHeldClaims } from "./services/held-claims.ts";

export interface Server extends AsyncDisposable {
  readonly url: string;
  /** The database is migrated and the loops run; rejects where that can't be. */
  readonly prepared: Promise<void>;
  readonly statuses: HostStatuses;
}

export interface ServerOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Logger;
  /** For calls that still run when it is disposed. */
  readonly graceMs: number;
}

const maxBodyBytes = 2 * 1024 * 1024;
/** Of whose connections nothing was let in yet. */
const maxStrangers = 1_024;

export async function startServer({ config, clock, log, graceMs }: ServerOptions): Promise<Server> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(
    openDatabase({
      url: config.databaseUrl,
      maxConnections: 40,
      onIdleError: (error) => log.debug("database.connection_lost", { error }),
    }),
  );
  // Known once the database has given them; until then isPrepared keeps every call away that would need them.
  let keys: { readonly tokenKey: string; readonly pki: ServerPki } | undefined;
  const openedKeys = () => {
    if (!keys) throw databaseUnavailable();
    return keys;
  };
  const directory = stack.use(createHostDirectory());
  const { sessions } = directory;
  const statuses = new Map<string, HostStatus>();
  const background = createBackground();
  let isPrepared = false;
  const routes = createRouteCache(() => performance.now());
  const calls = createCallLimit({ calls: config.maxCallsPerOrg, streams: config.maxStreamsPerOrg });
  const lookup = createLookups();
  const strangersRoutes = createStrangersRoutes(database.pool, lookup, () => performance.now());
  const previews = createPreviewRoutes({
    ...{ pool: database.pool, lookup, isPrepared: () => isPrepared },
    tokenKey: () => openedKeys().tokenKey,
    now: () => performance.now(),
  });
  const deps = {
    db: database.db,
    hosts: directory,
    clock,
    claims: createHeldClaims(),
    background,
    events: createEventFeed(clock),
    log,
    onMoved: (sandboxId: string) => {
      routes.forget(sandboxId);
      strangersRoutes.forget(sandboxId);
      previews.forget(sandboxId);
    },
    get tokenKey() {
      return openedKeys().tokenKey;
    },
    tombstoneMs: config.tombstoneMs,
    edgeUrlOf: (hostId: string | null) => statuses.get(hostId ?? "")?.edgeUrl ?? "",
  };
  const metrics = createMetrics(database, statuses, calls);
  const strangers = new Strangers({ strangers: maxStrangers });
  const onAdmitted = (request: NodeRequest) => strangers.welcome(request);

  const rpc = createRpcListener({
    routes: apiRoutes(
      deps,
      () => openedKeys().pki,
      () => ({ publicUrl: config.publicUrl ?? url, domain: config.domain }),
      routes.forgetAll,
    ),
    maxBodyBytes,
    log,
    admit: createAdmit({
      ...{ pool: database.pool, calls, lookup, isPrepared: () => isPrepared },
      ...{ onAdmitted, onRefused: metrics.onRefused },
    }),
    interceptors: [metrics.countCalls, typedErrors(log), databaseErrors, validateRequests, askForCaller],
  });
  const relay = createRelay({
    ...{ pool: database.pool, calls, lookup },
    isPrepared: () => isPrepared,
    sessions,
    tokenKey: () => openedKeys().tokenKey,
    routes,
    strangersRoutes,
    maxBodyBytes,
    log,
    onAdmitted,
    onRelayed: metrics.onRelayed,
  });
  const readiness = () => readReadiness({ pool: database.pool, isPrepared: () => isPrepared, statuses });
  const ports = stack.use(
    createPortEdge({
      ...{
        ...{ pool: database.pool, calls, lookup },
        tokenKey: () => openedKeys().tokenKey,
        routes,
        strangersRoutes,
        previews,
        sessions,
        clock,
        log,
        domain: config.domain,
      },
      isPrepared: () => isPrepared,
      ...{ onAdmitted, meter: metrics.previews },
    }),
  );
  const handler = createHandler({ ports, relay, rpc, readiness, metrics, publicMetrics: config.publicMetrics });

  // Disposal goes upwards: no new calls, then the work in hand, then the loops, then the connections.
  const loops = new AbortController();
  const running: Promise<void>[] = [];
  stack.defer(async () => {
    loops.abort();
    await Promise.all(running);
  });
  stack.defer(() => drainWithin(background.drain(), graceMs));
  const server = await listenDual({
    ...{ ...config.listen, handler, onUpgrade: ports.upgrade },
    onConnection: (socket) => strangers.admit(socket),
  });
  stack.defer(() => server.close(graceMs));
  stack.defer(() => deps.events.end()); // streams that would never end
  const url = originOf(server.address);

  const prepare = async () => {
    await prepareDatabase({ ...config, db: database.db, clock, log, signal: loops.signal });
    const platform = await openPlatformKeys(database.db, config.secretFile, clock.now());
    keys = { tokenKey: platform.tokenKey, pki: await createServerPki(platform, clock.now()) };
    const ours = { ...deps, db: database.reserved };
    const followHosts = createFollowHosts(
      ours,
      { add: (host) => directory.add(addressOf(host, openedKeys().pki)), remove: directory.remove },
      statuses,
    );
    await followHosts.turn();
    isPrepared = true;
    const { signal } = loops;
    running.push(
      followHosts.run({ signal }),
      createRunJobs({ ...deps, pool: database.pool, jobs: [createForgetOld(deps.db)] }).run({ signal }),
      runLoops(ours, statuses, keys.pki, { signal }),
    );
  };
  const prepared = prepare();
  prepared.catch(() => undefined); // main.ts and tests look at it
  running.push(prepared.catch(() => undefined));

  const owned = stack.move();
  return {
    url,
    prepared,
    statuses,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function addressOf({ id, url, tlsName }: AdmittedHost, pki: ServerPki): HostAddress {
  const credentials = {
    authority: pki.certificate,
    get certificate() {
      return pki.client.certificate;
    },
    get key() {
      return pki.client.key;
    },
    bearer: pki.bearerOf(tlsName),
  };
  return { hostId: id, url, tlsName, credentials };
}

function originOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
