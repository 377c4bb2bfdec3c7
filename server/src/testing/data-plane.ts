/** Processes and files for tests, as a host would serve them. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { OutputStream, ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";

export interface SeenCall {
  readonly headers: Readonly<Record<string, string>>;
  /** Aborts when the call ended, however. */
  readonly signal: AbortSignal;
}

export interface DataPlane {
  readonly routes: (router: ConnectRouter) => void;
  readonly seen: readonly SeenCall[];
  /** Bytes that readFile has handed out so far. */
  readonly produced: () => number;
}

/**
 * Exec of "count N" writes N pieces; "hang" writes one and stays; "break" fails half-way; "quiet" says nothing at all.
 * ReadFile gives `length` bytes in pieces of 64 KiB.
 */
export function createDataPlane(): DataPlane {
  const seen: SeenCall[] = [];
  let produced = 0;
  const note = (context: HandlerContext) => {
    seen.push({ headers: Object.fromEntries(context.requestHeader), signal: context.signal });
  };
  return {
    seen,
    produced: () => produced,
    routes(router) {
      router.service(ProcessService, {
        async *exec(request, context) {
          note(context);
          const args = request.command.case === "argv" ? request.command.value.args : [];
          if (args[0] === "quiet") await ended(context.signal);
          yield { event: { case: "started", value: { processId: request.processId, pid: 7 } } };
          for (let index = 0; index < Number(args[1] ?? 1); index++) {
            const data = Buffer.from(`${index} ${request.env.A ?? ""}\n`);
            yield { event: { case: "output", value: { stream: OutputStream.STDOUT, data } } };
          }
          if (args[0] === "hang") await ended(context.signal);
          if (args[0] === "break") throw problem("VM_DIED", "The VM's process was killed.");
          yield { event: { case: "exited", value: { exitCode: 3 } } };
        },
        signalProcess(_, context) {
          note(context);
          throw problem("PROCESS_NOT_FOUND", "There is no such process.");
        },
        listProcesses(_, context) {
          note(context);
          return {};
        },
      });
      router.service(FileService, {
        async *readFile(request) {
          yield { part: { case: "info", value: { path: request.path } } };
          for (let left = Number(request.length); left > 0; left -= 65_536) {
            const data = new Uint8Array(Math.min(left, 65_536)).fill(120);
            produced += data.length;
            yield { part: { case: "data", value: data } };
          }
        },
        writeFile(request, context) {
          note(context);
          return { info: { path: request.path, size: BigInt(request.data.length) } };
        },
      });
    },
  };
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
