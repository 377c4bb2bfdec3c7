import type { CallOptions } from "@connectrpc/connect";
import type { ProcessStarted } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { DataWay } from "../data-plane/data-way.ts";
import type { ProcessRef, PtySize } from "./exec-types.ts";

/** The calls about one process, by whatever it is named; once it was found, by its id. */
export class ProcessCalls {
  readonly #plane: DataPlane;
  #process: ReturnType<typeof selectorOf>;

  constructor(plane: DataPlane, process: ProcessRef) {
    this.#plane = plane;
    this.#process = selectorOf(process);
  }

  /** Throws where the process was named otherwise and has not been found yet. */
  get id(): string {
    const { selector } = this.#process;
    if (selector.case === "processId") return selector.value;
    throw new Error("The process's id is not known yet: await its pid first.");
  }

  /** A pid and a tag can be another process's later. */
  found({ processId }: ProcessStarted): void {
    this.#process = selectorOf(processId);
  }

  attach(way: DataWay, call: CallOptions, offset: number) {
    return way.processes.attachProcess({ process: this.#process, fromOffset: BigInt(offset) }, call);
  }

  attachAtEnd(way: DataWay, call: CallOptions) {
    return way.processes.attachProcess({ process: this.#process, fromEnd: true }, call);
  }

  /** Sends one numbered piece of input; answers with the offset of the next one. */
  async sendInput(offset: number, data: Uint8Array, close: boolean): Promise<number> {
    const piece = { process: this.#process, offset: BigInt(offset), data, close };
    const sent = await this.#plane.unary((way, call) => way.processes.sendInput(piece, call), { repeatable: true });
    return Number(sent.nextOffset);
  }

  async signal(signal: number, onlyProcess = false, abort?: AbortSignal): Promise<void> {
    const request = { process: this.#process, signal, onlyProcess };
    await this.#plane.unary((way, call) => way.processes.signalProcess(request, call), {
      signal: abort,
      repeatable: false,
    });
  }

  async resize(size: PtySize): Promise<void> {
    const request = { process: this.#process, size };
    await this.#plane.unary((way, call) => way.processes.resizePty(request, call), { repeatable: true });
  }
}

function selectorOf(process: ProcessRef) {
  if (typeof process === "string") return { selector: { case: "processId" as const, value: process } };
  if ("pid" in process) return { selector: { case: "pid" as const, value: process.pid } };
  return { selector: { case: "tag" as const, value: process.tag } };
}
