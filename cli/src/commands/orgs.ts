import type { Command } from "commander";
import type { Organization } from "daytonah";
import { contextOf } from "../client.ts";
import { wholeNumber } from "../flags.ts";
import { note, print, printJson, tableOf } from "../output.ts";

interface LimitFlags {
  readonly sandboxes?: number;
  readonly vcpus?: number;
  readonly memory?: number;
}

/** Registers `dnah orgs ls`, `create` and `limit`. */
export function registerOrgs(program: Command): void {
  const orgs = program.command("orgs").description("the organizations and what they may have; for operators");
  orgs
    .command("ls")
    .description("list the organizations with their limits")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const all = await Array.fromAsync(client.organizations.list());
      await (json ? printJson(all) : print(tableOf(["ID", "SANDBOXES", "VCPUS", "MEMORY", "NAME"], all.map(rowOf))));
    });
  orgs
    .command("create")
    .description("make an organization and print its first key, this once")
    .argument("<name>", "a name for people")
    .action(async (name: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const { organization, apiKey } = await client.organizations.create({ name });
      if (json) return printJson({ organization, apiKey });
      await note(`dnah: made ${organization.id}. Keep its key; it is not shown again:`);
      await print(`${apiKey}\n`);
    });
  orgs
    .command("limit")
    .description("set what an organization may have at most, in place of the limits it had; no option: no limit")
    .argument("<id>", "its id, org_…")
    .option("--sandboxes <number>", "sandboxes, paused ones too", wholeNumber)
    .option("--vcpus <number>", "vCPUs of those that run", wholeNumber)
    .option("--memory <MiB>", "memory of those that run", wholeNumber)
    .action(async (id: string, { sandboxes, vcpus, memory }: LimitFlags, command: Command) => {
      const { client, json } = contextOf(command);
      const organization = await client.organizations.setLimits(id, { sandboxes, vcpus, memoryMib: memory });
      await (json ? printJson(organization) : print(`${id}\n`));
    });
}

function rowOf({ id, name, limits: { sandboxes, vcpus, memoryMib } }: Organization): string[] {
  return [id, ...[sandboxes, vcpus, memoryMib].map((limit) => String(limit ?? "-")), name];
}
