/** Where a reader of logs stands in each of them, as its stream tells it and takes it back. */
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { fieldProblem } from "@daytonah/lib/problem.ts";

export interface LogPosition {
  readonly log: string;
  readonly place: string;
}

/** A console is another one with each VM, and with each daemon: `console` names it. */
export interface ConsolePlace {
  readonly console: string;
  /** Of the last line. */
  readonly sequence: number;
}

/** The line's time tells whether it is the same line still: the agent counts anew where it begins anew or is put back. */
export interface AgentPlace {
  /** Of the last line. */
  readonly sequence: bigint;
  readonly time: string;
}

export interface ProcessPlace {
  readonly pid: number;
  /** The first byte of output that was not told. */
  readonly offset: bigint;
  /** By stream, where it is another one: lines of one end while one of the other is unfinished. */
  readonly streams: ReadonlyMap<string, bigint>;
}

export interface Positions {
  readonly console?: ConsolePlace;
  readonly agent?: AgentPlace;
  /** By process. */
  readonly processes: ReadonlyMap<string, ProcessPlace>;
}

export function consolePosition({ console, sequence }: ConsolePlace): LogPosition {
  return { log: "console", place: `${console},${sequence}` };
}

export function agentPosition({ sequence, time }: AgentPlace): LogPosition {
  return { log: "agent", place: `${sequence},${time}` };
}

export function agentTimeOf(time: Timestamp | undefined): string {
  return `${time?.seconds ?? 0}.${time?.nanos ?? 0}`;
}

export function processPosition(processId: string, { pid, offset, streams }: ProcessPlace): LogPosition {
  const others = [...streams].map(([stream, start]) => `,${stream}=${start}`);
  return { log: `process:${processId}`, place: `${pid},${offset}${others.join("")}` };
}

/** Reads what clients sent back. */
export function readPositions(sent: readonly LogPosition[]): Positions {
  let positions: Positions = { processes: new Map() };
  const processes = new Map<string, ProcessPlace>();
  for (const position of sent) {
    const { log, place } = position;
    if (log === "console") positions = { ...positions, console: readConsole(position) };
    else if (log === "agent") positions = { ...positions, agent: readAgent(position) };
    else if (log.startsWith("process:")) processes.set(log.slice("process:".length), readProcess(position));
    else throw unreadable(`a position of the log ${log}, ${place}`);
  }
  return { ...positions, processes };
}

function readConsole({ place }: LogPosition): ConsolePlace {
  const [, console, sequence] = /^([a-z0-9-]{1,40}),(\d{1,15})$/.exec(place) ?? [];
  if (console === undefined) throw unreadable(place);
  return { console, sequence: Number(sequence) };
}

function readAgent({ place }: LogPosition): AgentPlace {
  const [, sequence, time] = /^(\d{1,19}),(-?\d{1,19}\.-?\d{1,10})$/.exec(place) ?? [];
  if (sequence === undefined || time === undefined) throw unreadable(place);
  return { sequence: BigInt(sequence), time };
}

function readProcess({ place }: LogPosition): ProcessPlace {
  const [, pid, offset, others = ""] =
    /^(\d{1,10}),(\d{1,19})((?:,(?:stdout|stderr|pty)=\d{1,19})*)$/.exec(place) ?? [];
  if (offset === undefined) throw unreadable(place);
  const streams = others
    .split(",")
    .slice(1)
    .map((other) => {
      const [stream = "", start = ""] = other.split("=");
      return [stream, BigInt(start)] as const;
    });
  return { pid: Number(pid), offset: BigInt(offset), streams: new Map(streams) };
}

function unreadable(what: string) {
  return fieldProblem("after", `${what} is no position`, "Send positions back as a stream of this sandbox told them.");
}
