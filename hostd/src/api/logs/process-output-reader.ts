/** Reads the output of one process as lines, and lets go of the process while nobody takes them. */

import { timestampNow } from "@bufbuild/protobuf/wkt";
import { OutputStream, type ProcessOutput } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { LogSource as Kind } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { followProcess } from "../../guest/follow-process.ts";
import { type Line, LineSplitter } from "../../vm/monitor/line-splitter.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import { agentEntry } from "./agent-source.ts";
import { type ProcessPlace, processPosition } from "./log-position.ts";
import type { LogSink } from "./log-queue.ts";

const labels: ReadonlyMap<number, string> = new Map([
  [OutputStream.STDOUT, "stdout"],
  [OutputStream.STDERR, "stderr"],
  [OutputStream.PTY, "pty"],
]);

/** ended: nothing more will come; reached: it may go on; full: the sink had no room. */
type Stop = "ended" | "reached" | "full";

export class ProcessOutputReader {
  readonly #call: SandboxCall;
  readonly #processId: string;
  readonly #splitters = new Map<string, LineSplitter>();
  /** What the client has already. */
  readonly #after: ProcessPlace | undefined;
  #next: bigint;
  #pid = 0;

  constructor(call: SandboxCall, processId: string, after?: ProcessPlace) {
    this.#call = call;
    this.#processId = processId;
    this.#after = after;
    this.#next = [...labels.values()].map((label) => this.#known(label)).reduce(earlier);
  }

  /** The first byte that will be read. */
  get next(): bigint {
    return this.#next;
  }

  /** Until the process ends, or its output has been read up to `until`. */
  async read(sink: LogSink, until?: bigint): Promise<Exclude<Stop, "full">> {
    for (;;) {
      await sink.room(this.#call.signal);
      try {
        const stop = await this.#readWhileRoom(sink, until);
        if (stop !== "full") return stop;
      } catch (error) {
        const reason = problemOf(error)?.reason;
        if (reason === "PROCESS_NOT_FOUND") return "ended"; // the agent no longer keeps it
        if (reason !== "OUTPUT_LOST") throw error;
      }
    }
  }

  /** Pushes what has come of lines without an end. */
  flush(sink: LogSink): void {
    for (const [label, splitter] of this.#splitters) this.#push(sink, label, splitter.end());
  }

  async #readWhileRoom(sink: LogSink, until: bigint | undefined): Promise<Stop> {
    const { agent, signal, requestId, explain } = this.#call;
    const process = { selector: { case: "processId" as const, value: this.#processId } };
    const attach = { case: "attachProcess" as const, value: { process, fromOffset: this.#next } };
    for await (const event of followProcess(agent, attach, { signal, requestId, onBreak: explain })) {
      switch (event.case) {
        case "started":
          this.#pid = event.value.pid;
          break;
        case "output":
          if (sink.full) return "full";
          this.#take(sink, event.value);
          if (until !== undefined && this.#next >= until) return "reached";
          break;
        case "exited":
          this.flush(sink);
          return "ended";
        case "heartbeat":
          // What was to be read is not there: it was overwritten, or the agent told a number it has not.
          if (until !== undefined) return "reached";
          break;
        default:
          event satisfies never;
      }
    }
    return "ended";
  }

  #take(sink: LogSink, { offset, stream, data }: ProcessOutput): void {
    if (offset > this.#next) {
      this.flush(sink); // what follows the hole is no part of those lines
      const lost = `${offset - this.#next} bytes of output were gone before they were read`;
      this.#next = offset;
      sink.push({ ...agentEntry("warn", lost, this.#processId), position: this.#position() });
    }
    this.#next = offset + BigInt(data.length);
    const label = labels.get(stream) ?? "stdout";
    const splitter = this.#splitters.get(label) ?? new LineSplitter();
    this.#splitters.set(label, splitter);
    const known = this.#known(label) - offset;
    const skip = known <= 0n ? 0 : Math.min(Number(known), data.length);
    this.#push(sink, label, splitter.push(data.subarray(skip), offset + BigInt(skip)));
  }

  #push(sink: LogSink, label: string, lines: readonly Line[]): void {
    const source = Kind.PROCESS;
    for (const { text, end } of lines) {
      const position = this.#position(label, end);
      sink.push({ source, time: timestampNow(), label, text, processId: this.#processId, position });
    }
  }

  /** After all that was read but lines without an end, and of the stream `label` only up to `end`. */
  #position(label?: string, end = 0n) {
    const streams = new Map<string, bigint>();
    for (const each of labels.values()) {
      const read = this.#splitters.get(each)?.unfinished ?? later(this.#known(each), this.#next);
      const start = each === label ? end : read;
      if (start !== this.#next) streams.set(each, start);
    }
    return processPosition(this.#processId, { pid: this.#pid, offset: this.#next, streams });
  }

  /** Up to where the client had this stream when it came. */
  #known(label: string): bigint {
    return this.#after?.streams.get(label) ?? this.#after?.offset ?? 0n;
  }
}

function earlier(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
