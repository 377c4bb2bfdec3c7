/** What time it is, for a guest that may hear of it late: ours, and the guest's uptime at that moment. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type DurationSchema, type TimestampSchema, timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AgentClient } from "./agent-client.ts";

/** Of a ping: the time is exact to the half of it. Of several that take longer the shortest counts. */
const goodTripMs = 20;
const mostPings = 5;

export interface ToldTime {
  readonly wallClock: MessageInitShape<typeof TimestampSchema>;
  readonly asOf?: MessageInitShape<typeof DurationSchema>;
}

export async function tellTime(
  agent: AgentClient,
  now: () => Date,
  options: { readonly signal: AbortSignal },
): Promise<ToldTime> {
  let told: ToldTime = { wallClock: timestampFromDate(now()) };
  for (let pings = 0, shortest = Number.POSITIVE_INFINITY; pings < mostPings && shortest > goodTripMs; pings += 1) {
    const [asked, began] = [now().getTime(), performance.now()];
    const { uptime } = await agent.unary({ case: "ping", value: {} }, "pong", options);
    const tripMs = performance.now() - began;
    if (tripMs >= shortest) continue;
    shortest = tripMs;
    told = { wallClock: timestampFromMs(Math.round(asked + tripMs / 2)), ...(uptime ? { asOf: uptime } : {}) };
  }
  return told;
}
