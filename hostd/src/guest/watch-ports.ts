/** The listening ports, whole at each change. */
import type { PortList } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { AgentClient } from "./agent-client.ts";
import { lastingStream } from "./lasting-stream.ts";
import type { RetryOptions } from "./retries.ts";

/** Lists, and undefined for "nothing for a while". */
export async function* watchPorts(
  agent: AgentClient,
  options: RetryOptions & { readonly requestId: string },
): AsyncGenerator<PortList | undefined> {
  let told = false;
  const call = () => ({ case: "watchPorts" as const, value: {} });
  for await (const { event } of lastingStream(agent, call, "portList", options)) {
    if (event.case === "portList") yield event.value;
    else if (told) yield undefined;
    told ||= event.case === "portList";
  }
}
