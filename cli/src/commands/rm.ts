import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { exitCodes } from "../exit-codes.ts";
import { failureText } from "../failure.ts";
import { print, printJson, write } from "../output.ts";

/** Registers `dnah rm`. */
export function registerRm(program: Command): void {
  program
    .command("rm")
    .description("delete sandboxes and print their ids; one that can't be deleted does not stop the others")
    .argument("<sandbox...>", "ids")
    .option("--purge", "for good, also ones that are deleted already: `dnah restore` can't bring them back")
    .action(async (ids: string[], { purge }: { purge?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const deleted: string[] = [];
      for (const id of ids) {
        try {
          await (purge ? Sandbox.purge(id, { client }) : (await Sandbox.connect(id, { client })).kill());
          deleted.push(id);
          if (!json) await print(`${id}\n`);
        } catch (error) {
          await write(process.stderr, failureText(error));
          process.exitCode = exitCodes.failed;
        }
      }
      if (json) await printJson({ deleted });
    });
}
