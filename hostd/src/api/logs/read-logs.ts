/** All logs of a sandbox as one stream: what is kept of each source, one after the other, then what comes, as it comes. */
import { LogSource as Kind } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import type { SandboxCall } from "../sandbox-call.ts";
import { agentSource } from "./agent-source.ts";
import { consoleSource } from "./console-source.ts";
import { type LogLine, LogQueue, type LogSink, LogTail } from "./log-queue.ts";
import type { LogSource } from "./log-source.ts";
import { ProcessSource } from "./process-source.ts";

export interface ReadLogsOptions {
  readonly sources: readonly Kind[];
  readonly follow: boolean;
  /** Of each source only so many of the last lines. */
  readonly tail: number | undefined;
}

/** As often as an agent says that a stream lives. */
const idleMs = 15_000;

/** Batches of lines; an empty one after a while without any. */
export async function* readLogs(call: SandboxCall, options: ReadLogsOptions): AsyncGenerator<readonly LogLine[]> {
  const queue = new LogQueue();
  produce(call, options, queue).then(
    () => queue.end({}),
    (error: unknown) => queue.end({ error }),
  );
  for (let lines = await queue.take(idleMs, call.signal); lines; lines = await queue.take(idleMs, call.signal)) {
    yield lines;
  }
}

async function produce(call: SandboxCall, { sources, follow, tail }: ReadLogsOptions, queue: LogQueue): Promise<void> {
  const wants = (kind: Kind) => sources.length === 0 || sources.includes(kind);
  const backlog = async (read: (sink: LogSink) => Promise<void>) => {
    if (tail === undefined) return read(queue);
    const last = new LogTail(tail);
    await read(last);
    for (const line of last.lines) {
      await queue.room(call.signal);
      queue.push(line);
    }
  };
  const following: Promise<void>[] = [];
  const console = consoleSource(call);
  const processes = new ProcessSource(call);
  const agent = agentSource(call, {
    tell: wants(Kind.AGENT),
    onStarted: (processId) => processes.started(processId),
  });

  if (wants(Kind.CONSOLE)) await backlog(console.backlog);
  const hasLog = wants(Kind.AGENT) || follow ? await readIfKnown(agent, backlog, sources.includes(Kind.AGENT)) : true;
  if (wants(Kind.PROCESS)) {
    await backlog(async (sink) => {
      await processes.backlog(sink);
      if (!follow) processes.flush(sink);
    });
  }
  if (!follow) return;
  if (wants(Kind.CONSOLE)) following.push(console.follow(queue));
  if (wants(Kind.PROCESS)) following.push(processes.follow(queue), ...(hasLog ? [] : [processes.discover()]));
  if (hasLog && (wants(Kind.AGENT) || wants(Kind.PROCESS))) following.push(agent.follow(queue));
  await Promise.all(following);
}

/** False where the agent is older than its log and nobody asked for that by name. */
async function readIfKnown(
  agent: LogSource,
  backlog: (read: (sink: LogSink) => Promise<void>) => Promise<void>,
  asked: boolean,
): Promise<boolean> {
  try {
    await backlog(agent.backlog);
    return true;
  } catch (error) {
    if (asked || problemOf(error)?.reason !== "UNKNOWN_CALL") throw error;
    return false;
  }
}
