/** The output of processes, line by line: of those there are, and of each one that starts. */
import type { ProcessInfo } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { abortable } from "@daytonah/lib/deadline.ts";
import { sleep } from "@daytonah/lib/sleep.ts";
import { checkedId } from "../../guest/follow-process.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import type { ProcessPlace } from "./log-position.ts";
import type { LogSink } from "./log-queue.ts";
import type { LogSource } from "./log-source.ts";
import { ProcessOutputReader } from "./process-output-reader.ts";

/** Each costs a connection to the agent; the others' output waits in the agent's replay buffers. */
const maxAtOnce = 200;
const maxWaiting = 10_000;
/** Where the agent's log does not tell of new processes. */
const pollMs = 1_000;

export class ProcessSource implements LogSource {
  readonly #call: SandboxCall;
  /** What the client has already. */
  readonly #after: ReadonlyMap<string, ProcessPlace>;
  readonly #waiting: ProcessOutputReader[] = [];
  /** Those of the last list: the agent's log may tell of one of them once more. */
  #listed = new Set<string>();
  /** Nothing before `follow`. */
  #startWaiting: () => void = () => undefined;

  constructor(call: SandboxCall, after: ReadonlyMap<string, ProcessPlace>) {
    this.#call = call;
    this.#after = after;
  }

  async backlog(sink: LogSink): Promise<void> {
    for (const { processId, pid, endOffset, exited } of await this.#list()) {
      const after = this.#after.get(processId);
      // Else it is another one of that name, or the sandbox was put back to before that.
      const isKnown = after?.pid === pid && after.offset <= endOffset;
      const reader = new ProcessOutputReader(this.#call, processId, isKnown ? after : undefined);
      const how = reader.next < endOffset ? await reader.read(sink, endOffset) : "reached";
      if (how === "reached" && !exited) this.#enqueue(reader);
    }
  }

  /** Ends the lines that a backlog without a `follow` leaves unfinished. */
  flush(sink: LogSink): void {
    for (const reader of this.#waiting) reader.flush(sink);
  }

  started(processId: string): void {
    if (!this.#listed.delete(processId)) this.#enqueue(new ProcessOutputReader(this.#call, processId));
  }

  async follow(sink: LogSink): Promise<void> {
    const failed = Promise.withResolvers<never>();
    let running = 0;
    this.#startWaiting = () => {
      while (running < maxAtOnce) {
        const reader = this.#waiting.shift();
        if (!reader) return;
        running += 1;
        const settled = () => {
          running -= 1;
          this.#startWaiting();
        };
        reader.read(sink).catch(failed.reject).finally(settled);
      }
    };
    this.#startWaiting();
    await abortable(failed.promise, this.#call.signal);
  }

  /** For agents without a log: looks for new processes from time to time. */
  async discover(): Promise<void> {
    for (;;) {
      await sleep(pollMs, { signal: this.#call.signal });
      const before = this.#listed;
      for (const { processId } of await this.#list()) {
        if (!before.has(processId)) this.#enqueue(new ProcessOutputReader(this.#call, processId));
      }
    }
  }

  async #list(): Promise<ProcessInfo[]> {
    const call = { case: "listProcesses" as const, value: { includeExited: true } };
    const processes = await this.#call.unary(call, "processList", (list) => {
      for (const { processId } of list.processes) checkedId(processId);
      return list.processes.slice(-maxWaiting);
    });
    this.#listed = new Set(processes.map(({ processId }) => processId));
    return processes;
  }

  #enqueue(reader: ProcessOutputReader): void {
    if (this.#waiting.length < maxWaiting) this.#waiting.push(reader);
    this.#startWaiting();
  }
}
