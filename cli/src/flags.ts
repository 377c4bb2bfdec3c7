/** Parsers and options that several commands share. */
import { type Command, InvalidArgumentError, Option } from "commander";

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}

export function childCount(text: string): number {
  const number = wholeNumber(text);
  if (number < 1 || number > 100) throw new InvalidArgumentError("It must be a number of children, 1 to 100.");
  return number;
}

export function port(text: string): number {
  const number = wholeNumber(text);
  if (number < 1 || number > 65_535) throw new InvalidArgumentError("It must be a port, 1 to 65535.");
  return number;
}

export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError("It must be a number of seconds above 0.");
  return value;
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "90s", "30m", "12h" or "7d", in milliseconds. */
export function duration(text: string): number {
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(number) * (unitMs[unit as keyof typeof unitMs] ?? 0);
  if (!(ms > 0)) throw new InvalidArgumentError("It must be a time such as 90s, 30m, 12h or 7d.");
  return ms;
}

/** Collects `K=V` options. */
export function pair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must look like NAME=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export interface LifecycleFlags {
  readonly timeout?: number;
  readonly onTimeout?: "pause" | "delete";
  readonly idleTimeout?: number;
  readonly autoResume?: boolean;
}

export function addLifecycleOptions(command: Command): Command {
  return command
    .option("--timeout <time>", "its time until it ends, such as 90s, 30m, 12h (default: none)", duration)
    .addOption(new Option("--on-timeout <action>", "what happens then (default: pause)").choices(["pause", "delete"]))
    .option("--idle-timeout <time>", "pause it when nobody used it for this long", duration)
    .option("--auto-resume", "a call to it while it is paused resumes it");
}

export function lifecycleOf({ timeout, onTimeout, idleTimeout, autoResume }: LifecycleFlags) {
  return { timeoutMs: timeout, onTimeout, idleTimeoutMs: idleTimeout, autoResume };
}

export interface SizeFlags {
  readonly template?: string;
  readonly snapshot?: string;
  readonly vcpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly metadata?: Record<string, string>;
  readonly verbose?: boolean;
}

export function addSizeOptions(command: Command): Command {
  return command
    .option("-t, --template <name>", "what it starts from (default: base)")
    .option("--snapshot <id>", "start from a snapshot instead, with its sizes")
    .option("--vcpus <number>", "virtual CPUs (default: 1)", wholeNumber)
    .option("--memory <MiB>", "memory (default: 512)", wholeNumber)
    .option("--disk <MiB>", "root disk (default: the template's size)", wholeNumber)
    .option("-m, --metadata <name=value>", "a label; may be repeated", pair)
    .option("-v, --verbose", "say on stderr how long each stage of the create took");
}

export const createOptionsOf = ({ template, snapshot, vcpus, memory, disk, metadata }: SizeFlags) => ({
  template,
  snapshotId: snapshot,
  vcpus,
  memoryMib: memory,
  diskMib: disk,
  metadata,
});

export interface ProcessFlags {
  readonly interactive?: boolean;
  readonly env?: Record<string, string>;
  readonly workdir?: string;
  readonly user?: string;
  readonly timeout?: number;
}

export function addProcessOptions(command: Command): Command {
  return command
    .option("-i, --interactive", "pass standard input on")
    .option("-e, --env <name=value>", "environment of the command; may be repeated", pair)
    .option("-w, --workdir <folder>", "working directory (default: the user's home)")
    .option("-u, --user <name>", "user in the sandbox")
    .option("--timeout <seconds>", "end the command after this", seconds);
}
