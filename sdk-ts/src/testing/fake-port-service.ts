/** PortService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type PortService, WatchPortsResponseSchema } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import type { FakeSandbox, FakeState } from "./fake-state.ts";

export function fakePortService(platform: FakeState): Partial<ServiceImpl<typeof PortService>> {
  const { faults } = platform;
  return {
    listPorts: faults.unary((_request, context) => ({ ports: portsOf(platform.dataPlane(context)) })),
    watchPorts: faults.stream(async function* (_request, context) {
      const sandbox = platform.dataPlane(context);
      const { serverChanges } = sandbox;
      const now = () =>
        create(WatchPortsResponseSchema, { event: { case: "ports", value: { ports: portsOf(sandbox) } } });
      yield create(WatchPortsResponseSchema, { event: { case: "heartbeat", value: {} } });
      yield now();
      for await (const _ of serverChanges.from(serverChanges.entries.length, context.signal)) {
        yield now();
      }
    }),
  };
}

function portsOf({ servers }: FakeSandbox) {
  const ports = [...servers.keys()].sort((a, b) => a - b);
  return ports.map((port) => ({ port, address: "127.0.0.1", pid: 100 + port, command: "python3" }));
}
