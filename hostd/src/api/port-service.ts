/** PortService: which ports programs in a sandbox listen on, by its agent. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type PortService, WatchPortsResponseSchema } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { watchPorts } from "../guest/watch-ports.ts";
import { withHeartbeats } from "../guest/with-heartbeats.ts";
import { toPorts } from "./port-convert.ts";
import { type CallDeps, meaningOf, sandboxCall } from "./sandbox-call.ts";

export function portService(deps: CallDeps) {
  return {
    async listPorts(_, context) {
      const call = sandboxCall(deps, context);
      return call.unary({ case: "listPorts", value: {} }, "portList", ({ ports }) => ({ ports: toPorts(ports) }));
    },

    async *watchPorts(_, context) {
      const { sandboxId, agent, signal, requestId, explain } = sandboxCall(deps, context);
      try {
        const lists = watchPorts(agent, { signal, requestId, onBreak: explain });
        for await (const list of withHeartbeats(lists, () => undefined)) {
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
