import type { Command } from "commander";
import { contextOf } from "../client.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah templates`. */
export function registerTemplates(program: Command): void {
  program
    .command("templates")
    .description("list what a sandbox can start from")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const templates = await Array.fromAsync(client.templates.list());
      if (json) return printJson(templates);
      const rows = templates.map(({ name, diskMib, description }) => [name, String(diskMib), description]);
      await print(tableOf(["NAME", "DISK MIB", "DESCRIPTION"], rows));
    });
}
