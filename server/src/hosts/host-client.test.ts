import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { makeAuthority, makeLeaf } from "../pki/certificates.ts";
import { makePlatformKeys } from "../pki/platform-keys.ts";
import { createServerPki, type ServerPki } from "../pki/server-pki.ts";
import { hold } from "../testing/hold.ts";
import { startHostDaemon } from "../testing/host-daemon.ts";
import { createConnectHost } from "./connect-host.ts";
import { createFakeHost, type FakeHost } from "./fake-host.ts";
import { describeHostClient, type HostBehind } from "./host-client.contract.ts";
import { hostProblem } from "./host-problem.ts";

async function testPki(): Promise<ServerPki> {
  return createServerPki(await makePlatformKeys(Date.now()), Date.now());
}

/** The fake as the contract sees a host. */
function behind(host: FakeHost): HostBehind {
  const claims = new Map<string, unknown[]>();
  host.hooks.onClaim = async ({ sandboxId, env }) => {
    claims.set(sandboxId, [...(claims.get(sandboxId) ?? []), env]);
  };
  return {
    accessOf: (sandboxId) => host.accesses.get(sandboxId),
    lifecycleOf: (sandboxId) => host.lifecycles.get(sandboxId),
    claimsOf: (sandboxId) => claims.get(sandboxId) ?? [],
    kill: async (sandboxId) => host.kill(sandboxId),
    pauseItself: async (sandboxId) => host.pauseItself(sandboxId),
    wakeItself: async (sandboxId) => host.wakeItself(sandboxId),
    holdSnapshot: () => hold(host.hooks, "onSnapshot"),
    async spoil() {
      host.hooks.onRead = () => Promise.reject(new Error("its disk broke"));
    },
    cutWatchers: () => host.cutWatchers(),
    async vanish() {
      host.reachable = false;
    },
  };
}

describeHostClient("the fake", async () => {
  const [client, other] = [createFakeHost("h1"), createFakeHost("h2")];
  return { client, other, host: behind(client), [Symbol.asyncDispose]: async () => undefined };
});

describeHostClient("Connect over mutual TLS", async () => {
  const stack = new AsyncDisposableStack();
  const pki = await testPki();
  const [here, there] = [createFakeHost("h1"), createFakeHost("h2")];
  const [client, other] = await Promise.all(
    [here, there].map(async (host) => {
      const { address } = stack.use(await startHostDaemon({ pki, host }));
      return stack.use(createConnectHost(address));
    }),
  );
  if (!client || !other) throw new Error("there are two");
  return { client, other, host: behind(here), [Symbol.asyncDispose]: () => stack.disposeAsync() };
});

test("a daemon that does not know a call has answered", () => {
  expect(hostProblem("h1", new ConnectError("no such method", Code.Unimplemented))).toMatchObject({
    reason: "UNKNOWN_CALL",
    options: { metadata: { host_id: "h1" }, nextStep: "Upgrade the host's daemon." },
  });
});

test("a host with another's certificate is not believed", async () => {
  await using daemon = await startHostDaemon({ pki: await testPki(), host: createFakeHost("h2") });
  using client = createConnectHost({ ...daemon.address, hostId: "h1", tlsName: "h1" });
  await expect(client.getHost({})).rejects.toMatchObject({ reason: "HOST_UNAVAILABLE" });
});

test("an answer that is too long to be honest is not read", async () => {
  const host = createFakeHost("h1", { version: "9".repeat(3 * 1024 * 1024) });
  await using daemon = await startHostDaemon({ pki: await testPki(), host });
  using client = createConnectHost(daemon.address);
  await expect(client.getHost({})).rejects.toMatchObject({ reason: "HOST_UNAVAILABLE" });
  expect(await client.listVms({})).toEqual([]);
});

test("the daemon refuses a client of another authority, and one of ours that is not the server", async () => {
  const pki = await testPki();
  await using daemon = await startHostDaemon({ pki, host: createFakeHost("h1") });
  const strangers = [await makeAuthority(Date.now()), pki.authority];
  for (const authority of strangers) {
    const leaf = await makeLeaf(authority, { name: "someone", use: "client", now: Date.now() });
    const credentials = { ...daemon.address.credentials, certificate: leaf.certificate, key: leaf.key };
    using client = createConnectHost({ ...daemon.address, credentials });
    await expect(client.getHost({})).rejects.toMatchObject({ reason: "HOST_UNAVAILABLE" });
  }
});
