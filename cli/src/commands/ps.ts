import type { Command } from "commander";
import { type ProcessInfo, Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah ps`. */
export function registerPs(program: Command): void {
  program
    .command("ps")
    .description("list the processes that were started in a sandbox")
    .argument("<sandbox>", "its id")
    .option("-a, --all", "also those that ended and whose output is still kept")
    .action(async (id: string, flags: { all?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const processes = await sandbox.processes({ includeExited: flags.all });
      if (json) return printJson(processes);
      const head = ["ID", "PID", "USER", "STARTED", "STATE", "TAG", "COMMAND"];
      await print(tableOf(head, processes.map(rowOf)));
    });
}

function rowOf({ id, pid, user, startTime, exited, tag, args }: ProcessInfo): string[] {
  const state = exited ? (exited.signal ?? `exit ${exited.exitCode}`) : "running";
  return [id, String(pid), user, startTime.toISOString(), state, tag, args.join(" ").replace(/\s+/g, " ")];
}
