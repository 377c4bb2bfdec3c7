/** All logs of a sandbox as one stream: what is kept of each source, one after the other, then what comes, as it comes. */
import { LogSource as Kind } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import { agentSource } from "./agent-source.ts";
import { consoleSource } from "./console-source.ts";
import type { LogPosition, Positions } from "./log-position.ts";
import { LogQueue, type LogSink, type LogsEvent, LogTail } from "./log-queue.ts";
import { ProcessSource } from "./process-source.ts";

export interface ReadLogsOptions {
  readonly sources: readonly Kind[];
  readonly follow: boolean;
  /** Of each source only so many of the last lines. */
  readonly tail: number | undefined;
  /** What the client has already; no tail is cut off what follows it. */
  readonly after: Positions;
}

/** As often as an agent says that a stream lives. */
const idleMs = 15_000;

/** Batches of events; an empty one after a while without any. */
export async function* readLogs(call: SandboxCall, options: ReadLogsOptions): AsyncGenerator<readonly LogsEvent[]> {
  const queue = new LogQueue();
  produce(call, options, queue).then(
    () => queue.end({}),
    (error: unknown) => queue.end({ error }),
  );
  for (let events = await queue.take(idleMs, call.signal); events; events = await queue.take(idleMs, call.signal)) {
    yield events;
  }
}

async function produce(call: SandboxCall, options: ReadLogsOptions, queue: LogQueue): Promise<void> {
  const { sources, follow, tail, after } = options;
  const wants = (kind: Kind) => sources.length === 0 || sources.includes(kind);
  const leftOut: LogPosition[] = [];
  const backlog = async (isBegun: boolean, read: (sink: LogSink) => Promise<void>) => {
    if (tail === undefined || isBegun) return read(queue);
    const last = new LogTail(tail);
    await read(last);
    leftOut.push(...last.leftOut);
    for (const line of last.lines) {
      await queue.room(call.signal);
      queue.push(line);
    }
  };
  const following: Promise<void>[] = [];
  const console = consoleSource(call, after.console);
  const processes = new ProcessSource(call, after.processes);
  const agent = agentSource(call, {
    tell: wants(Kind.AGENT),
    after: wants(Kind.AGENT) ? after.agent : undefined,
    onStarted: (processId) => processes.started(processId),
  });

  if (wants(Kind.CONSOLE)) await backlog(after.console !== undefined, console.backlog);
  const readAgent = () => backlog(after.agent !== undefined, agent.backlog);
  const hasLog = wants(Kind.AGENT) || follow ? await readIfKnown(readAgent, sources.includes(Kind.AGENT)) : true;
  if (wants(Kind.PROCESS)) {
    await backlog(after.processes.size > 0, async (sink) => {
      await processes.backlog(sink);
      if (!follow) processes.flush(sink);
    });
  }
  queue.endBacklog(leftOut);
  if (!follow) return;
  if (wants(Kind.CONSOLE)) following.push(console.follow(queue));
  if (wants(Kind.PROCESS)) following.push(processes.follow(queue), ...(hasLog ? [] : [processes.discover()]));
  if (hasLog && (wants(Kind.AGENT) || wants(Kind.PROCESS))) following.push(agent.follow(queue));
  await Promise.all(following);
}

/** False where the agent is older than its log and nobody asked for that by name. */
async function readIfKnown(read: () => Promise<void>, asked: boolean): Promise<boolean> {
  try {
    await read();
    return true;
  } catch (error) {
    if (asked || problemOf(error)?.reason !== "UNKNOWN_CALL") throw error;
    return false;
  }
}
