/**
 * The events of one process from its start (or an offset) to its end, over as many connections as it takes: the agent
 * numbers output bytes, so a broken connection is made again behind the client's back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessExited, ProcessOutput, ProcessStarted } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import type { AgentClient, GuestCall, GuestEvent } from "./agent-client.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";

export type ProcessEvent =
  | { readonly case: "started"; readonly value: ProcessStarted }
  | { readonly case: "output"; readonly value: ProcessOutput }
  | { readonly case: "exited"; readonly value: ProcessExited }
  | { readonly case: "heartbeat" };

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly requestId: string;
  /** Called when the connection broke: throws where the VM is gone, and resolves where another try makes sense. */
  readonly onBreak: () => Promise<void>;
}

const maxOutputBytes = 64 * 1024;
/** Tries in a row that bring no event. */
const maxTries = 3;
const pauseMs = 50;

export async function* followProcess(
  agent: AgentClient,
  first: GuestCall & { case: "startProcess" | "attachProcess" },
  options: FollowOptions,
): AsyncGenerator<ProcessEvent> {
  let started: ProcessStarted | undefined;
  let nextOffset = 0n;
  let tries = 0;
  for (;;) {
    const call: GuestCall = started ? attachFrom(started.processId, nextOffset) : first;
    try {
      using stream = await agent.open(call, options);
      for (;;) {
        const event = await stream.next();
        if (!event) throw new GuestConnectionError("protocol", "The agent ended the output before the process ended.");
        tries = 0;
        switch (event.case) {
          case "processStarted":
            if (started) break; // the client has it already
            started = event.value;
            nextOffset = started.firstOffset;
            yield { case: "started", value: started };
            break;
          case "processOutput": {
            const output = checkedOutput(event.value, started, nextOffset);
            if (!output) break;
            nextOffset = output.offset + BigInt(output.data.length);
            yield { case: "output", value: output };
            break;
          }
          case "processExited":
            if (!started) throw unexpected(event);
            yield { case: "exited", value: event.value };
            return;
          case "heartbeat":
            // A stream's first event is its start.
            if (started) yield { case: "heartbeat" };
            break;
          default:
            throw unexpected(event);
        }
      }
    } catch (error) {
      if (!(error instanceof GuestConnectionError)) throw error;
      await options.onBreak();
      if (error.fault === "protocol" || ++tries >= maxTries) throw error;
      await sleep(pauseMs * tries, undefined, { signal: options.signal }).catch(() => options.signal.throwIfAborted());
    }
  }
}

function attachFrom(processId: string, fromOffset: bigint): GuestCall {
  const process = { selector: { case: "processId" as const, value: processId } };
  return { case: "attachProcess", value: { process, fromOffset } };
}

/** The part of it that the client does not have; undefined where it has all. */
function checkedOutput(
  output: ProcessOutput,
  started: ProcessStarted | undefined,
  nextOffset: bigint,
): ProcessOutput | undefined {
  if (!started) throw new GuestConnectionError("protocol", "The agent sent output before the start.");
  if (output.data.length > maxOutputBytes) {
    throw new GuestConnectionError("protocol", `The agent sent ${output.data.length} bytes of output at once.`);
  }
  const end = output.offset + BigInt(output.data.length);
  if (end <= nextOffset) return undefined;
  if (output.offset >= nextOffset) return output; // a hole is told by its offset: the replay buffer is bounded
  return { ...output, offset: nextOffset, data: output.data.subarray(Number(nextOffset - output.offset)) };
}

function unexpected(event: GuestEvent): GuestConnectionError {
  return new GuestConnectionError("protocol", `The agent sent ${event.case} where it must not.`);
}
