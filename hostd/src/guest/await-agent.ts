/** Waits until a VM's agent answers. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Pong } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { AgentClient } from "./agent-client.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";

/** Short at first, since a restored VM answers at once; a booting one takes seconds. */
const firstPauseMs = 2;
const longestPauseMs = 20;
const pingTimeoutMs = 1_000;

/** Pings until an answer comes; rejects with the signal's reason where none does. */
export async function awaitAgent(agent: AgentClient, options: { readonly signal: AbortSignal }): Promise<Pong> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    try {
      return await agent.unary({ case: "ping", value: {} }, "pong", { ...options, timeoutMs: pingTimeoutMs });
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof GuestConnectionError)) throw error;
    }
    await sleep(pauseMs, undefined, options).catch(() => options.signal.throwIfAborted());
  }
}
