/** PortService: which ports programs in a sandbox listen on, by its agent. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type PortService, WatchPortsResponseSchema } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { watchPorts } from "../guest/watch-ports.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { meaningOf, sandboxCall } from "./sandbox-call.ts";

const maxPort = 65_535;
/** Each port at a few addresses. */
const maxPorts = 4 * maxPort;
/** "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255" with a scope. */
const maxAddressLength = 64;
const maxCommandLength = 64;

export function portService(registry: VmRegistry) {
  return {
    async listPorts(_, context) {
      const call = sandboxCall(registry, context);
      return call.unary({ case: "listPorts", value: {} }, "portList", ({ ports }) => ({ ports: toPorts(ports) }));
    },

    async *watchPorts(_, context) {
      const { sandboxId, agent, signal, requestId, explain } = sandboxCall(registry, context);
      try {
        for await (const list of watchPorts(agent, { signal, requestId, onBreak: explain })) {
          yield create(WatchPortsResponseSchema, {
            event: list ? { case: "ports", value: { ports: toPorts(list.ports) } } : { case: "heartbeat", value: {} },
          });
        }
      } catch (error) {
        throw await meaningOf(sandboxId, explain, error);
      }
    },
  } satisfies ServiceImpl<typeof PortService>;
}

function toPorts(ports: readonly guest.Port[]) {
  if (ports.length > maxPorts) throw new GuestConnectionError("protocol", `The agent told of ${ports.length} ports.`);
  return ports.map(({ port, address, pid, command }) => {
    if (port < 1 || port > maxPort || !/^[0-9a-fA-F.:%]*$/.test(address) || address.length > maxAddressLength) {
      throw new GuestConnectionError("protocol", `The agent told of a port ${port} that can't be one.`);
    }
    return { port, address, pid, command: command.slice(0, maxCommandLength) };
  });
}
