/** The console's lines: what the monitor keeps, then what comes. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { LogSource as Kind } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { sleep } from "@daytonah/lib/sleep.ts";
import type { VmMonitor } from "../../vm/monitor/vm-monitor.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import { type ConsolePlace, consolePosition } from "./log-position.ts";
import type { LogSink } from "./log-queue.ts";
import type { LogSource } from "./log-source.ts";

/** A VMM tells what was written only when it is asked. */
const pollMs = 500;

export function consoleSource(
  { entry, signal, use }: Pick<SandboxCall, "entry" | "signal" | "use">,
  after: ConsolePlace | undefined,
): LogSource {
  let monitor: VmMonitor | undefined;
  let next = 1;
  const backlog = async (sink: LogSink) => {
    using used = monitor ? await entry.use(signal, { brief: false }) : await use();
    if (monitor !== used.live.monitor) {
      monitor = used.live.monitor; // it begins anew with each VM of the sandbox
      next = after?.console === monitor.console.id ? after.sequence + 1 : 1;
    }
    await monitor.console.refresh({ signal });
    const { id } = monitor.console;
    for (const { sequence, readAt, text } of monitor.console.linesFrom(next)) {
      await sink.room(signal);
      const position = consolePosition({ console: id, sequence });
      sink.push({ source: Kind.CONSOLE, time: timestampFromDate(readAt), text, position });
      next = sequence + 1;
    }
  };
  return {
    backlog,
    async follow(sink) {
      for (;;) {
        await sleep(pollMs, { signal });
        await backlog(sink);
      }
    },
  };
}
