/** PortService: which ports programs in a sandbox listen on, by its agent. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type PortService, WatchPortsResponseSchema } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { watchPorts } from "../guest/watch-ports.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { toPorts } from "./port-convert.ts";
import { meaningOf, sandboxCall } from "./sandbox-call.ts";

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
