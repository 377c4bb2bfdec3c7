import type { Command } from "commander";
import { contextOf } from "../client.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah templates`, and `create` and `rm` below it. */
export function registerTemplates(program: Command): void {
  const templates = program.command("templates").description("list what a sandbox can start from");
  templates
    .command("create")
    .description("keep memory and disk of a sandbox as a template: creates of it go on where it is")
    .argument("<name>", "what `dnah create --template` takes")
    .argument("<sandbox>", "its id")
    .option("-d, --description <text>", "what is in it, one sentence")
    .action(async (name: string, id: string, flags: { description?: string }, command: Command) => {
      const { client, json } = contextOf(command);
      const template = await client.templates.create(name, id, flags);
      await (json ? printJson(template) : print(`${name}\n`));
    });
  templates
    .command("rm")
    .description("delete a template of yours; sandboxes made of it stay whole")
    .argument("<name>", "its name")
    .action(async (name: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      await client.templates.delete(name);
      await (json ? printJson({ deleted: name }) : print(`${name}\n`));
    });
  templates.action(async (_flags: object, command: Command) => {
    const { client, json } = contextOf(command);
    const templates = await Array.fromAsync(client.templates.list());
    if (json) return printJson(templates);
    const rows = templates.map(({ name, diskMib, description }) => [name, String(diskMib), description]);
    await print(tableOf(["NAME", "DISK MIB", "DESCRIPTION"], rows));
  });
}
