import { createClient } from "@connectrpc/connect";
import { type Event, EventService } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import { ApiKeyService, OrganizationService } from "@daytonah/gen/daytonah/v1/organization_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { failureOf } from "../testing/failure-of.ts";
import { connectTransport, type TestServer, testServer } from "../testing/test-server.ts";

interface Watch {
  /** So many events, or all until the next heartbeat. */
  take(count?: number): Promise<readonly Event[]>;
  /** Of the last message. */
  readonly cursor: string;
  end(): void;
}

function watch(client: ReturnType<typeof clientOf>, request: { cursor?: string; sandboxId?: string } = {}): Watch {
  const abort = new AbortController();
  const messages = client.watchEvents(request, { signal: abort.signal })[Symbol.asyncIterator]();
  let cursor = "";
  return {
    async take(count = Number.POSITIVE_INFINITY) {
      const events: Event[] = [];
      while (events.length < count) {
        const { value, done } = await messages.next();
        if (done) throw new Error("the stream ended");
        if (value.message.value) cursor = value.message.value.cursor;
        if (value.message.case === "event") events.push(value.message.value);
        else if (count === Number.POSITIVE_INFINITY) break;
      }
      return events;
    },
    get cursor() {
      return cursor;
    },
    end: () => abort.abort(),
  };
}

function clientOf(server: TestServer) {
  return server.client(EventService);
}

const kindsOf = (events: readonly Event[]) => events.map(({ kind }) => kind);

async function newSandbox(server: TestServer): Promise<string> {
  const { sandbox } = await server.client(SandboxService).createSandbox({});
  return sandbox?.id ?? "";
}

test("events come as they happen; who goes on from a cursor gets what came meanwhile, once", async () => {
  await using server = await testServer();
  const events = clientOf(server);
  const live = watch(events);
  expect(await live.take()).toEqual([]); // the heartbeat: from here on
  const sandboxId = await newSandbox(server);
  const happenedAt = performance.now();
  const [creating, running] = await live.take(2);
  expect(performance.now() - happenedAt).toBeLessThan(1_000);
  expect(creating).toMatchObject({ kind: "sandbox.creating", sandboxId, epoch: 1n });
  expect(running?.kind).toBe("sandbox.running");
  live.end();

  await server.client(SandboxService).deleteSandbox({ sandboxId });
  const goneOn = watch(events, { cursor: creating?.cursor ?? "" });
  expect(kindsOf(await goneOn.take())).toEqual(["sandbox.running", "sandbox.deleting", "sandbox.deleted"]);
  const again = watch(events, { cursor: goneOn.cursor });
  expect(await again.take()).toEqual([]);
  goneOn.end();
  again.end();
});

test("only one's own organization's, only of the sandbox that was asked for", async () => {
  await using server = await testServer();
  const { apiKey } = await server.client(OrganizationService).createOrganization({ name: "other" });
  const other = server.client(EventService, { authorization: `Bearer ${apiKey}` });
  const [first, second] = [await newSandbox(server), await newSandbox(server)];
  const all = watch(clientOf(server), { cursor: "0" });
  expect(new Set((await all.take()).map(({ sandboxId }) => sandboxId))).toEqual(new Set([first, second]));
  const ofSecond = watch(clientOf(server), { cursor: "0", sandboxId: second });
  expect(new Set((await ofSecond.take()).map(({ sandboxId }) => sandboxId))).toEqual(new Set([second]));
  const none = watch(other, { cursor: "0" });
  expect(await none.take()).toEqual([]);
  expect(none.cursor).toBe(all.cursor);
  const noneOfTheirs = watch(other, { cursor: "0", sandboxId: first });
  expect(await noneOfTheirs.take()).toEqual([]);
  for (const each of [all, ofSecond, none, noneOfTheirs]) each.end();
});

test("two servers tell the same events in the same order, and a stop ends the stream", async () => {
  await using server = await testServer();
  const second = await server.another();
  const there = createClient(
    EventService,
    connectTransport(second.url, { authorization: `Bearer ${server.adminKey}` }),
  );
  const [a, b] = [watch(clientOf(server)), watch(there)];
  await Promise.all([a.take(), b.take()]);
  await Promise.all(Array.from({ length: 10 }, () => newSandbox(server)));
  const [here, elsewhere] = await Promise.all([a.take(20), b.take(20)]);
  expect(elsewhere).toEqual(here);
  expect(new Set(here?.map(({ cursor }) => cursor)).size).toBe(20);
  const ended = expect(b.take()).rejects.toThrow("the stream ended");
  const stoppedAt = performance.now();
  await second[Symbol.asyncDispose]();
  await ended;
  expect(performance.now() - stoppedAt).toBeLessThan(450); // no grace is waited out
  a.end();
});

test("a cursor that lies before what is kept, or that was never given, is refused", async () => {
  await using server = await testServer();
  const events = clientOf(server);
  await newSandbox(server);
  await newSandbox(server);
  const all = watch(events, { cursor: "0" });
  const told = await all.take();
  all.end();
  await server.database.pool.query("update event_log set forgotten_position = 3");
  const next = (cursor: string) => failureOf(watch(events, { cursor }).take());
  expect(await next(told[0]?.cursor ?? "")).toMatchObject({ code: "OutOfRange", reason: "CURSOR_INVALID" });
  expect(await next("99999999999999999999")).toMatchObject({ reason: "CURSOR_INVALID" });
  expect(await next("x")).toMatchObject({ reason: "FIELD_INVALID" });
  const goesOn = watch(events, { cursor: told[2]?.cursor ?? "" });
  expect(await goesOn.take()).toHaveLength(1);
  goesOn.end();
});

test("a key that is revoked sees no event after it", async () => {
  await using server = await testServer();
  const keys = server.client(ApiKeyService);
  const { apiKey, secret } = await keys.createApiKey({ name: "reader", scopes: ["sandboxes:read"] });
  const watched = watch(server.client(EventService, { authorization: `Bearer ${secret}` }));
  await watched.take();
  await keys.revokeApiKey({ apiKeyId: apiKey?.id ?? "" });
  await newSandbox(server);
  expect(await failureOf(watched.take())).toMatchObject({ reason: "CREDENTIAL_INVALID" });
});

test("a heartbeat comes where nothing happens, also where only others' sandboxes do something", async () => {
  await using server = await testServer();
  const watched = watch(clientOf(server), { sandboxId: "nobodys" });
  await watched.take();
  const before = watched.cursor;
  await newSandbox(server);
  expect(await watched.take()).toEqual([]);
  expect(Number(watched.cursor)).toBeGreaterThan(Number(before));
  watched.end();
});
