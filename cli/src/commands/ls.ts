import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { pair } from "../flags.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah ls`. */
export function registerLs(program: Command): void {
  program
    .command("ls")
    .description("list the sandboxes, newest first")
    .option("-m, --metadata <name=value>", "only those with this label; may be repeated", pair)
    .option("-q, --quiet", "only ids")
    .action(async (flags: { metadata?: Record<string, string>; quiet?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const sandboxes = await Array.fromAsync(Sandbox.list({ client, metadata: flags.metadata }));
      if (json) return printJson(sandboxes);
      if (flags.quiet) return print(sandboxes.map(({ id }) => `${id}\n`).join(""));
      const rows = sandboxes.map(({ id, state, template, vcpus, memoryMib, createTime, metadata, failure }) => {
        const labels = Object.entries(metadata).map(([name, value]) => `${name}=${value}`);
        const why = failure ? `${state} (${failure.reason})` : state;
        return [id, why, template, String(vcpus), String(memoryMib), createTime.toISOString(), labels.join(" ")];
      });
      await print(tableOf(["ID", "STATE", "TEMPLATE", "VCPUS", "MIB", "CREATED", "METADATA"], rows));
    });
}
