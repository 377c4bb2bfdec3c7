/** The events of a call that only its caller ends, over as many connections as it takes. */
import { type AgentClient, type GuestCall, type GuestEvent, unexpectedEvent } from "./agent-client.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";
import { Retries, type RetryOptions } from "./retries.ts";

export interface LastingEvent<C extends GuestEvent["case"]> {
  readonly event: Extract<GuestEvent, { case: C | "heartbeat" }>;
  /** Counts the connections, from 1: what came between two of them nobody saw. */
  readonly connection: number;
}

/** `callOf` is asked at each connection. Events other than `expected` and heartbeats are a breach of the wire. */
export async function* lastingStream<C extends GuestEvent["case"]>(
  agent: AgentClient,
  callOf: () => GuestCall,
  expected: C,
  options: RetryOptions & { readonly requestId: string },
): AsyncGenerator<LastingEvent<C>> {
  const retries = new Retries(options);
  for (let connection = 1; ; connection++) {
    try {
      using stream = await agent.open(callOf(), options);
      for (;;) {
        const event = await stream.next();
        if (!event) throw new GuestConnectionError("protocol", "The agent ended a stream that was not to end.");
        if (event.case !== expected && event.case !== "heartbeat") throw unexpectedEvent(event);
        if (event.case === expected) retries.progress();
        yield { event: event as LastingEvent<C>["event"], connection };
      }
    } catch (error) {
      await retries.after(error);
    }
  }
}
