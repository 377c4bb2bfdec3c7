import { type Command, Option } from "commander";
import { type LogEntry, type LogSource, Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { wholeNumber } from "../flags.ts";
import { endingOnInterrupt } from "../interrupts.ts";
import { print, printJson } from "../output.ts";

interface Flags {
  readonly follow?: boolean;
  readonly source?: LogSource[];
  readonly tail?: number;
  readonly timestamps?: boolean;
}

/** Registers `dnah logs`. */
export function registerLogs(program: Command): void {
  program
    .command("logs")
    .description("show a sandbox's logs: its console, its agent and the output of its processes")
    .argument("<sandbox>", "its id")
    .option("-f, --follow", "stay and show what comes")
    .addOption(
      new Option("-s, --source <source...>", "only from there").choices(["console", "agent", "process"] as const),
    )
    .option("-n, --tail <lines>", "only so many of the last lines of each source", wholeNumber)
    .option("-t, --timestamps", "the time before each line")
    .action(async (id: string, flags: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      using interrupt = endingOnInterrupt();
      const sandbox = await Sandbox.connect(id, { client, signal: interrupt.signal });
      const { follow, source: sources, tail } = flags;
      const entries = sandbox.logs({ follow, sources, tail, signal: interrupt.signal });
      await interrupt.until(async () => {
        for await (const entry of entries) {
          if (json) await printJson(entry);
          else await print(`${lineOf(entry, flags.timestamps ?? false)}\n`);
        }
      });
    });
}

/** `console | …`, `agent info | …`, `process build stderr | …`. */
function lineOf({ time, source, label, processId, text }: LogEntry, timestamps: boolean): string {
  const from = [source, source === "process" ? processId : undefined, label].filter(Boolean).join(" ");
  return `${timestamps ? `${time.toISOString()} ` : ""}${from} | ${text}`;
}
