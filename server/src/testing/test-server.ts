/** A whole server for tests: a database of its own, one fake host behind a real TLS port, clients with keys. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { type Client, type ConnectRouter, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { silentLogger } from "@daytonah/lib/log.ts";
import type { NodeHandler } from "@daytonah/lib/node-http.ts";
import type { Config } from "../config.ts";
import type { Clock } from "../domain/clock.ts";
import { createFakeHost, type FakeHost } from "../hosts/fake-host.ts";
import type { ServerPki } from "../pki/server-pki.ts";
import { type Server, startServer } from "../start-server.ts";
import { systemClock } from "../system-clock.ts";
import type { HostDaemon, HostDaemonOptions } from "./host-daemon.ts";
import { openTestPki, startJoinedHostDaemon } from "./joined-host-daemon.ts";
import { tempDir } from "./temp-dir.ts";
import { type TestDatabase, testDatabase } from "./test-database.ts";

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly adminKey: string;
  readonly database: TestDatabase;
  readonly host: FakeHost;
  readonly daemon: HostDaemon;
  /** Of each host, in their order. */
  readonly daemons: readonly HostDaemon[];
  readonly server: Server;
  readonly pki: ServerPki;
  readonly config: Config;
  /** Further headers, such as `sandbox-id`, with the admin's key unless they bring another. */
  client<T extends DescService>(service: T, headers?: Readonly<Record<string, string>>): Client<T>;
  /** Another server on the same database, with the same secret. */
  another(): Promise<Server>;
  /** Disposes the server alone, as a stop of its process would. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** Served by the host beside HostDaemonService. */
  readonly routes?: (router: ConnectRouter) => void;
  /** Answered by the host where it is no rpc. */
  readonly plainHttp?: NodeHandler;
  readonly onConnect?: NonNullable<HostDaemonOptions["onConnect"]>;
  readonly host?: FakeHost;
  /** Further hosts. */
  readonly otherHosts?: readonly FakeHost[];
  readonly clock?: Clock;
  readonly config?: Partial<Config>;
}

export async function testServer(options: TestServerOptions = {}): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(tempDir());
  const database = stack.use(await testDatabase());
  const secretFile = join(dir.path, "secret");
  const pki = await openTestPki(database.db, secretFile);
  const host = options.host ?? createFakeHost("h1");
  const hosts = [host, ...(options.otherHosts ?? [])];
  const daemons: HostDaemon[] = [];
  for (const each of hosts) {
    daemons.push(stack.use(await startJoinedHostDaemon({ db: database.db, pki, ...options, host: each })));
  }
  const config: Config = {
    listen: { host: "127.0.0.1", port: 0 },
    databaseUrl: database.url,
    secretFile,
    logLevel: "silent",
    bootstrapKeyFile: join(dir.path, "admin.key"),
    publicUrl: undefined,
    domain: "localhost",
    publicMetrics: false,
    tombstoneMs: 0,
    maxCallsPerOrg: 500,
    maxStreamsPerOrg: 5_000,
    ...options.config,
  };
  const start = async () => {
    const started = await startServer({ config, clock: options.clock ?? systemClock, log: silentLogger, graceMs: 500 });
    await started.prepared;
    const follows = ({ hostId, reachable }: FakeHost) => started.statuses.get(hostId)?.connected === true || !reachable;
    await until(() => hosts.every(follows));
    return started;
  };
  const server = await start();
  const ending = new AsyncDisposableStack();
  ending.use(server);
  stack.defer(() => ending.disposeAsync());
  const adminKey = readFileSync(config.bootstrapKeyFile as string, "utf8").trim();
  const owned = stack.move();
  return {
    url: server.url,
    adminKey,
    database,
    host,
    daemon: daemons[0] as HostDaemon,
    daemons,
    server,
    pki,
    config,
    client: (service, headers = {}) =>
      createClient(service, connectTransport(server.url, { authorization: `Bearer ${adminKey}`, ...headers })),
    another: start,
    stop: () => ending.disposeAsync(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function connectTransport(baseUrl: string, headers: Readonly<Record<string, string>>): Transport {
  return createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [withHeaders(headers)] });
}

export function withHeaders(headers: Readonly<Record<string, string>>): Interceptor {
  return (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
}

/** Waits for something that must come; fails the test where it does not. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const patience = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > patience) throw new Error(`this did not come within ${ms} ms: ${condition}`);
    await systemClock.sleep(10, {});
  }
}
