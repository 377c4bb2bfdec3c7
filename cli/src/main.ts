/** Entry of `dnah`: parse, act, and turn what fails into two lines and an exit code. */
import { type Command, CommanderError } from "commander";
import { CliError } from "./cli-error.ts";
import { prepareCompletion, registerCompletion } from "./completion.ts";
import { exitCodes } from "./exit-codes.ts";
import { failureJson, failureText } from "./failure.ts";
import { installInterrupts } from "./interrupts.ts";
import { createProgram } from "./program.ts";
import type { GlobalFlags } from "./settings.ts";

installInterrupts();
const program = createProgram();
const completion = registerCompletion(program);
let running: Command | undefined;
program.hook("preAction", (_program, command) => {
  running = command;
});
try {
  await prepareCompletion(completion, process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // It has printed what there is to say; 0 is --help and --version.
    process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  } else {
    const json = running?.optsWithGlobals<GlobalFlags>().json;
    process.stderr.write(json ? failureJson(error) : failureText(error));
    process.exitCode = (error instanceof CliError ? error.exitCode : undefined) ?? usualExitCode(running?.name());
  }
}

function usualExitCode(command: string | undefined): number {
  return ["run", "exec", "shell"].includes(command ?? "") ? exitCodes.noCommand : exitCodes.failed;
}
