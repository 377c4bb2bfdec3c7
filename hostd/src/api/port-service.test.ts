import { once } from "node:events";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { realAgent } from "../guest/testing/real-agent.ts";
import { scriptedAgent } from "../guest/testing/scripted-agent.ts";
import { oneVm } from "./testing/one-vm.ts";

test("ports are listed, and told again when they change", async () => {
  await using agent = await realAgent();
  await using vm = await oneVm(agent.path);
  const { headers } = vm;
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const { ports } = await vm.ports.listPorts({}, { headers });
  expect(ports.find((one) => one.port === port)).toMatchObject({ address: "127.0.0.1" });
  let times = 0;
  for await (const { event } of vm.ports.watchPorts({}, { headers })) {
    if (event.case !== "ports") continue;
    const open = event.value.ports.some((one) => one.port === port);
    if (++times === 1) {
      expect(open).toBe(true);
      server.close();
    }
    if (!open) break;
  }
});

test("a watch of ports lives through a broken connection", async () => {
  let connections = 0;
  await using agent = await scriptedAgent({
    watchPorts: (_, reply) =>
      reply.send({ case: "portList", value: { ports: [{ port: ++connections, address: "::" }] } }),
  });
  await using vm = await oneVm(agent.path);
  const told: (number | undefined)[] = [];
  for await (const { event } of vm.ports.watchPorts({}, { headers: vm.headers })) {
    if (event.case === "ports") told.push(event.value.ports[0]?.port);
    if (told.length === 2) break;
    agent.breakAll();
  }
  expect(told).toEqual([1, 2]);
});
