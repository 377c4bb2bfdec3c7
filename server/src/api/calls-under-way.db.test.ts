/** One organization asks for far more at once than it may; another one does not notice. */
import { once } from "node:events";
import http from "node:http";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDataPlane } from "../testing/data-plane.ts";
import { failureOf } from "../testing/failure-of.ts";
import { hold } from "../testing/hold.ts";
import { metric } from "../testing/metric.ts";
import { type TestServer, testServer, until, withHeaders } from "../testing/test-server.ts";

const most = 10;
const asked = 100;
/** Of the database's connections, for one organization. */
const share = 20;
const argv = (...args: string[]) => ({ command: { case: "argv", value: { args } } }) as const;

let server: TestServer;
let dataPlane: ReturnType<typeof createDataPlane>;
let loud: Awaited<ReturnType<typeof tenant>>;
let quiet: Awaited<ReturnType<typeof tenant>>;

beforeAll(async () => {
  dataPlane = createDataPlane();
  server = await testServer({
    ...{ routes: dataPlane.routes, config: { maxCallsPerOrg: most, maxStreamsPerOrg: most } },
    plainHttp: (_, response) => void response.end("content"),
  });
  loud = await tenant(server, "loud");
  quiet = await tenant(server, "quiet");
});
afterAll(() => server[Symbol.asyncDispose]());

/** An organization with one sandbox. */
async function tenant(on: TestServer, name: string) {
  const { apiKey } = await on.client(OrganizationService).createOrganization({ name });
  const headers = bearer(apiKey);
  const sandboxes = on.client(SandboxService, headers);
  const { sandbox, accessToken } = await sandboxes.createSandbox({});
  const sandboxId = sandbox?.id as string;
  return { apiKey, headers, sandboxes, sandboxId, accessToken, keys: on.client(ApiKeyService, headers) };
}

function bearer(credential: string) {
  return { authorization: `Bearer ${credential}` };
}

/** Begins them all. `failures` grows as they fail. */
function begin(calls: number, call: (index: number) => Promise<unknown>) {
  const failures: unknown[] = [];
  const outcomes = Array.from({ length: calls }, (_, index) =>
    call(index).catch((error: unknown) => failures.push(error)),
  );
  return { failures, ended: Promise.all(outcomes) };
}

const underWay = (kind: string, on = server) => metric(on, `dnah_calls_under_way{kind="${kind}"}`);

const tooMany = (kind: string) => ({
  ...{ code: "ResourceExhausted", reason: "TOO_MANY_CALLS", retries: true },
  metadata: expect.objectContaining({ kind, limit: String(most) }),
});

test("what is beyond the limit is refused, all its keys and tokens together, and the others' calls are answered", async () => {
  const { secret } = await loud.keys.createApiKey({ name: "second" });
  const other = server.client(SandboxService, bearer(secret));
  const holder = server.client(SandboxService, bearer(loud.accessToken));
  const pausing = hold(server.host.hooks, "onPause");
  const flood = begin(asked, (index) =>
    (index % 2 === 0 ? loud.sandboxes : other).pauseSandbox({ sandboxId: loud.sandboxId }),
  );
  await pausing.begun;
  await until(() => flood.failures.length === asked - most);
  for (const failure of flood.failures)
    expect(await failureOf(Promise.reject(failure))).toMatchObject(tooMany("calls"));
  expect(await underWay("calls")).toBe(most);
  expect(await metric(server, 'dnah_calls_refused_total{kind="calls"}')).toBe(asked - most);

  const link = { sandboxId: loud.sandboxId, port: 80 };
  for (const client of [loud.sandboxes, other, holder]) {
    expect(await failureOf(client.createPortUrl(link))).toMatchObject(tooMany("calls"));
  }
  await Promise.all(
    Array.from({ length: most / 2 }, async () => {
      expect((await quiet.sandboxes.getSandbox({ sandboxId: quiet.sandboxId })).sandbox?.id).toBe(quiet.sandboxId);
    }),
  );
  await quiet.sandboxes.createPortUrl({ ...link, sandboxId: quiet.sandboxId });
  await server.client(OrganizationService).listOrganizations({});
  // The owner can still revoke the key whose calls these are.
  const { apiKeys } = await loud.keys.listApiKeys({});
  await loud.keys.revokeApiKey({ apiKeyId: apiKeys.find(({ name }) => name === "second")?.id as string });

  pausing.go();
  await flood.ended;
  expect(flood.failures).toHaveLength(asked - most);
  await until(async () => (await underWay("calls")) === 0);
  await loud.sandboxes.resumeSandbox({ sandboxId: loud.sandboxId });
  await until(async () => (await underWay("calls")) + (await underWay("admin")) === 0);
});

test("calls that wait for one another at the database leave connections to the others", async () => {
  await using own = await testServer();
  const [crowd, other] = [await tenant(own, "crowd"), await tenant(own, "other")];
  const { sandboxId } = crowd;
  const locked = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const lock = own.database.db.transaction().execute(async (tx) => {
    await tx.selectFrom("sandboxes").select("id").where("id", "=", sandboxId).forUpdate().execute();
    locked.resolve();
    await over.promise;
  });
  await locked.promise;
  const flood = begin(asked, (index) =>
    crowd.sandboxes.updateSandbox({ sandboxId, setMetadata: { index: String(index) } }),
  );
  await until(async () => (await underWay("calls", own)) === asked);
  await until(async () => (await metric(own, 'dnah_database_connections{use="busy"}')) >= share);
  for (let call = 0; call < 20; call++) await other.sandboxes.getSandbox({ sandboxId: other.sandboxId });
  over.resolve();
  await Promise.all([lock, flood.ended]);
  expect(flood.failures).toEqual([]);
});

test("streams are counted apart, until they end, are left, or their connection is cut; files and ports say 429", async () => {
  const processesOf = ({ headers, sandboxId }: typeof loud, httpVersion: "1.1" | "2" = "1.1") => {
    const interceptors = [withHeaders({ ...headers, "sandbox-id": sandboxId })];
    return createClient(ProcessService, createConnectTransport({ baseUrl: server.url, httpVersion, interceptors }));
  };
  const read = async (stream: AsyncIterable<unknown>) => {
    for await (const _ of stream);
  };
  const leaving = new AbortController();
  const { signal } = leaving;
  const flood = begin(asked, (index) =>
    read(processesOf(loud, index % 2 ? "2" : "1.1").exec(argv("hang"), { signal })),
  );
  await until(() => flood.failures.length === asked - most);
  for (const failure of flood.failures)
    expect(await failureOf(Promise.reject(failure))).toMatchObject(tooMany("streams"));
  expect(await underWay("streams")).toBe(most);

  await Promise.all(Array.from({ length: most / 2 }, () => read(processesOf(quiet).exec(argv("count", "3")))));
  const files = (who: typeof loud) =>
    fetch(`${server.url}/v1/sandboxes/${who.sandboxId}/files?path=/x`, { headers: who.headers });
  const refused = await files(loud);
  expect([refused.status, await refused.text()]).toEqual([429, expect.stringContaining("TOO_MANY_CALLS")]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await (await files(quiet)).text()).toBe("content");
  const port = http.get(`${server.url}/v1/sandboxes/${loud.sandboxId}/ports/80`, {
    headers: { ...loud.headers, connection: "Upgrade", upgrade: "dnah-tcp" },
    agent: false,
  });
  const [answer] = (await once(port, "response")) as [http.IncomingMessage];
  answer.resume();
  expect([answer.statusCode, answer.headers["dnah-error"]]).toEqual([429, "TOO_MANY_CALLS"]);
  // What is no stream has its own room.
  await loud.sandboxes.getSandbox({ sandboxId: loud.sandboxId });

  leaving.abort();
  await flood.ended;
  await until(async () => (await underWay("streams")) === 0);
  const again = begin(most, () => read(processesOf(loud).exec(argv("hang"))));
  await until(async () => (await underWay("streams")) === most);
  server.daemon.cutConnections();
  await again.ended;
  await until(async () => (await underWay("streams")) === 0);
  await until(() => dataPlane.seen.every(({ signal }) => signal.aborted));
});
