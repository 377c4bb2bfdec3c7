import type { Command } from "commander";
import { type FileChange, Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { endingOnInterrupt } from "../interrupts.ts";
import { note, print, printJson } from "../output.ts";

interface Flags {
  readonly recursive?: boolean;
  readonly user?: string;
}

/** Registers `dnah watch`. */
export function registerWatch(program: Command): void {
  program
    .command("watch")
    .description("show the changes below a directory of a sandbox as they happen, until Ctrl-C")
    .argument("<sandbox>", "its id")
    .argument("<directory>", "a path in it")
    .option("-r, --recursive", "all directories below too")
    .option("-u, --user <name>", "user in the sandbox")
    .action(async (id: string, directory: string, { recursive, user }: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      using interrupt = endingOnInterrupt();
      const { signal } = interrupt;
      const sandbox = await Sandbox.connect(id, { client, signal });
      await interrupt.until(async () => {
        for await (const change of sandbox.files.watch(directory, { recursive, user, signal })) {
          await (json ? printJson(change) : show(change));
        }
      });
    });
}

function show({ kind, path }: FileChange): Promise<void> {
  if (kind === "ready") return note("dnah: watching; Ctrl-C ends it.");
  if (kind === "overflow") return note("dnah: some changes were lost: list the directory again.");
  return print(`${kind.padEnd(10)} ${path}\n`);
}
