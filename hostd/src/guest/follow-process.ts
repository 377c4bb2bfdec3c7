/**
 * The events of one process from its start (or an offset) to its end, over as many connections as it takes: the agent
 * numbers output bytes, so a broken connection is made again behind the client's back.
 */
import type { ProcessExited, ProcessOutput, ProcessStarted } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type AgentClient, type GuestCall, unexpectedEvent } from "./agent-client.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";
import { Retries, type RetryOptions } from "./retries.ts";

export type ProcessEvent =
  | { readonly case: "started"; readonly value: ProcessStarted }
  | { readonly case: "output"; readonly value: ProcessOutput }
  | { readonly case: "exited"; readonly value: ProcessExited }
  | { readonly case: "heartbeat" };

export interface FollowOptions extends RetryOptions {
  readonly requestId: string;
}

const maxOutputBytes = 64 * 1024;

export async function* followProcess(
  agent: AgentClient,
  first: GuestCall & { case: "startProcess" | "attachProcess" },
  options: FollowOptions,
): AsyncGenerator<ProcessEvent> {
  let started: ProcessStarted | undefined;
  let nextOffset = 0n;
  const retries = new Retries(options);
  for (;;) {
    const call: GuestCall = started ? attachFrom(started.processId, nextOffset) : first;
    try {
      using stream = await agent.open(call, options);
      for (;;) {
        const event = await stream.next();
        if (!event) throw new GuestConnectionError("protocol", "The agent ended the output before the process ended.");
        retries.progress();
        switch (event.case) {
          case "processStarted":
            if (started) break; // the client has it already
            started = event.value;
            checkedId(started.processId);
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
            if (!started) throw unexpectedEvent(event);
            yield { case: "exited", value: event.value };
            return;
          case "heartbeat":
            // A stream's first event is its start.
            if (started) yield { case: "heartbeat" };
            break;
          default:
            throw unexpectedEvent(event);
        }
      }
    } catch (error) {
      await retries.after(error);
    }
  }
}

/** A process's name, where it can be one. */
export function checkedId(processId: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(processId)) return processId;
  throw new GuestConnectionError("protocol", "The agent told of a process whose name can't be one.");
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
