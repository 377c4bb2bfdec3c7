import type { Command } from "commander";
import type { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { createSandbox } from "../create-sandbox.ts";
import { failureText } from "../failure.ts";
import { addProcessOptions, addSizeOptions, type ProcessFlags, type SizeFlags } from "../flags.ts";
import { note, printJson } from "../output.ts";
import { runProcess } from "../run-process.ts";

interface Flags extends SizeFlags, ProcessFlags {
  readonly keep?: boolean;
}

/** Registers `dnah run`. */
export function registerRun(program: Command): void {
  addProcessOptions(addSizeOptions(program.command("run")))
    .description("make a sandbox, run a command in it, delete it; ends with the command's exit code, or 125")
    .option("--keep", "don't delete it; its id goes to stderr")
    .argument("<command...>", "program and arguments, best after --")
    .passThroughOptions()
    .action(async (argv: string[], flags: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await createSandbox(client, flags);
      if (json) await printJson({ event: "created", id: sandbox.id, stages: sandbox.stages });
      else if (flags.keep) await note(`dnah: the sandbox is ${sandbox.id}`);
      try {
        process.exitCode = await runProcess(sandbox, argv, flags, json);
      } finally {
        if (!flags.keep) await remove(sandbox);
      }
    });
}

/** A sandbox that stays behind is told of, and does not hide the command's own exit code. */
async function remove(sandbox: Sandbox): Promise<void> {
  try {
    await sandbox[Symbol.asyncDispose]();
  } catch (error) {
    await note(`${failureText(error)}dnah: the sandbox ${sandbox.id} was not deleted.\nnext: dnah rm ${sandbox.id}`);
  }
}
