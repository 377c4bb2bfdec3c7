import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { addProcessOptions, type ProcessFlags } from "../flags.ts";
import { runProcess } from "../run-process.ts";

/** Registers `dnah exec`. */
export function registerExec(program: Command): void {
  addProcessOptions(program.command("exec"))
    .description("run a command in a sandbox; ends with the command's exit code, or 125")
    .argument("<sandbox>", "its id")
    .argument("<command...>", "program and arguments, after --")
    .action(async (id: string, argv: string[], flags: ProcessFlags, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      process.exitCode = await runProcess(sandbox, argv, flags, json);
    });
}
