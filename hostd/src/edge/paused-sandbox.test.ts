/** The edge before a sandbox that is paused: the real agent is its guest, and this machine's programs are its programs. */
import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { userInfo } from "node:os";
import { silentLogger } from "@daytonah/lib/log.ts";
import { expect, test } from "vitest";
import { createMetrics } from "../api/metrics.ts";
import { lastingVm } from "../api/testing/lasting-vm.ts";
import { listenEdge } from "./listen-edge.ts";
import { accessOf, edgeClients } from "./testing/open-edge.ts";

async function pausedAtEdge(autoResume: boolean) {
  const stack = new AsyncDisposableStack();
  const vm = stack.use(await lastingVm({ autoResume }));
  const server = http.createServer((_, response) => response.end("hello")).listen(0, "127.0.0.1");
  stack.defer(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  await vm.host.deps.registry.setAccess(vm.entry, accessOf("token", 1, { publicPorts: [port] }));
  const edge = stack.use(
    await listenEdge(vm.calls, vm.services, {
      ...{ host: "127.0.0.1", port: 0, log: silentLogger },
      metrics: createMetrics(vm.host.deps),
    }),
  );
  await vm.pause();
  const url = `http://127.0.0.1:${edge.address.port}`;
  return {
    ...{ vm, url },
    visit: async () => {
      const request = http.get(url, {
        agent: false,
        headers: { host: `${port}-one.127.0.0.1.nip.io:${edge.address.port}`, accept: "text/html" },
      });
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      let text = "";
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode, text, reason: response.headers["dnah-error"] };
    },
    readFile: (path: string) =>
      fetch(`${url}/v1/sandboxes/one/files?${new URLSearchParams({ path, user: userInfo().username })}`, {
        headers: { authorization: "Bearer token" },
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

test("visits, files and calls wake a sandbox that resumes by itself, once", { timeout: 30_000 }, async () => {
  await using edge = await pausedAtEdge(true);
  const { processes } = edgeClients(edge.url, "connect over HTTP/1.1", {
    authorization: "Bearer token",
    "sandbox-id": "one",
  });
  const [visit, file, list] = await Promise.all([
    edge.visit(),
    edge.readFile("/etc/passwd"),
    processes.listProcesses({}),
  ]);
  expect(visit).toMatchObject({ status: 200, text: "hello" });
  expect([file.status, (await file.text()).includes("root")]).toEqual([200, true]);
  expect(list.processes).toEqual([]);
  expect(edge.vm.host.script.restores).toHaveLength(1);
});

test("visitors of one that does not find a page that says so", { timeout: 30_000 }, async () => {
  await using edge = await pausedAtEdge(false);
  const { text, reason } = await edge.visit();
  expect([reason, text]).toEqual(["SANDBOX_PAUSED", expect.stringContaining("This sandbox is paused")]);
  const file = await edge.readFile("/etc/passwd");
  expect([file.ok, await file.text()]).toEqual([false, expect.stringContaining("The sandbox is paused.")]);
  expect(edge.vm.host.script.restores).toEqual([]);
});
