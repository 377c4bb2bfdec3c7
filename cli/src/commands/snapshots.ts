import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { pair } from "../flags.ts";
import { print, printJson, tableOf } from "../output.ts";

const mib = 1024 * 1024;

/** Registers `dnah snapshot create`, `ls` and `rm`. */
export function registerSnapshots(program: Command): void {
  const snapshot = program.command("snapshot").description("instants of sandboxes that are kept");
  snapshot
    .command("create")
    .description("keep this instant of a sandbox, and print the snapshot's id")
    .argument("<sandbox>", "its id")
    .option("-n, --name <name>", "a name for people")
    .option("-m, --metadata <name=value>", "a label; may be repeated", pair)
    .action(async (id: string, flags: { name?: string; metadata?: Record<string, string> }, command: Command) => {
      const { client, json } = contextOf(command);
      const taken = await (await Sandbox.connect(id, { client })).snapshot(flags);
      await (json ? printJson(taken) : print(`${taken.id}\n`));
    });
  snapshot
    .command("ls")
    .description("list the snapshots, newest first")
    .option("--sandbox <id>", "only those of this sandbox")
    .option("-q, --quiet", "only ids")
    .action(async ({ sandbox, quiet }: { sandbox?: string; quiet?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const all = await Array.fromAsync(client.snapshots.list({ sandboxId: sandbox }));
      if (json) return printJson(all);
      if (quiet) return print(all.map(({ id }) => `${id}\n`).join(""));
      const rows = all.map(({ id, state, sandboxId, createTime, sizeBytes, memoryKept, name }) => {
        const size = String(Math.ceil(sizeBytes / mib));
        return [id, state, sandboxId, createTime.toISOString(), size, memoryKept ? "yes" : "no", name];
      });
      await print(tableOf(["ID", "STATE", "SANDBOX", "CREATED", "MIB", "MEMORY", "NAME"], rows));
    });
  snapshot
    .command("rm")
    .description("delete snapshots and print their ids; sandboxes made from them stay whole")
    .argument("<snapshot...>", "ids")
    .action(async (ids: string[], _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      for (const id of ids) {
        await client.snapshots.delete(id);
        if (!json) await print(`${id}\n`);
      }
      if (json) await printJson({ deleted: ids });
    });
}
