import type { Command } from "commander";
import { Sandbox, type SandboxInfo } from "daytonah";
import { contextOf } from "../client.ts";
import { pair } from "../flags.ts";
import { print, printJson, tableOf } from "../output.ts";

interface LsFlags {
  readonly metadata?: Record<string, string>;
  readonly deleted?: boolean;
  readonly quiet?: boolean;
}

/** Registers `dnah ls`. */
export function registerLs(program: Command): void {
  program
    .command("ls")
    .description("list the sandboxes, newest first")
    .option("-m, --metadata <name=value>", "only those with this label; may be repeated", pair)
    .option("--deleted", "only those that were deleted and that `dnah restore` can bring back")
    .option("-q, --quiet", "only ids")
    .action(async (flags: LsFlags, command: Command) => {
      const { client, json } = contextOf(command);
      const { metadata, deleted = false } = flags;
      const listed = Sandbox.list({ client, metadata, ...(deleted ? { states: ["deleted"], pageSize: 1_000 } : {}) });
      const sandboxes = (await Array.fromAsync(listed)).filter(({ purgeTime }) => !deleted || purgeTime);
      if (json) return printJson(sandboxes);
      if (flags.quiet) return print(sandboxes.map(({ id }) => `${id}\n`).join(""));
      const rows = sandboxes.map((sandbox) => {
        const { id, template, vcpus, memoryMib, createTime } = sandbox;
        const labels = Object.entries(sandbox.metadata).map(([name, value]) => `${name}=${value}`);
        const sizes = [String(vcpus), String(memoryMib)];
        return [id, stateOf(sandbox), template, ...sizes, createTime.toISOString(), labels.join(" ")];
      });
      await print(tableOf(["ID", "STATE", "TEMPLATE", "VCPUS", "MIB", "CREATED", "METADATA"], rows));
    });
}

function stateOf({ state, failure, purgeTime }: SandboxInfo): string {
  if (failure) return `${state} (${failure.reason})`;
  return purgeTime ? `${state} (kept until ${purgeTime.toISOString()})` : state;
}
