import type { Command } from "commander";
import type { Pool, PoolSize } from "daytonah";
import { contextOf } from "../client.ts";
import { seconds, wholeNumber } from "../flags.ts";
import { print, printJson, tableOf } from "../output.ts";

interface SizeFlags {
  readonly vcpus?: number;
  readonly memory?: number;
  readonly disk?: number;
}

interface SetFlags extends SizeFlags {
  readonly ready: number;
  readonly most?: number;
  readonly window?: number;
}

/** Registers `dnah pools ls`, `set` and `rm`. */
export function registerPools(program: Command): void {
  const pools = program.command("pools").description("VMs that wait for creates; needs an admin key");
  pools
    .command("ls", { isDefault: true })
    .description("list the pools: how full they are, how often they served a create")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const all = await client.pools.list();
      await (json ? printJson(all) : print(tableOf(head, all.map(cellsOf))));
    });
  addSize(pools.command("set"))
    .description("make a pool, or change how many VMs wait in it")
    .requiredOption("--ready <number>", "so many wait, at least", wholeNumber)
    .option("--most <number>", "at most; demand decides between the two (default: as --ready)", wholeNumber)
    .option("--window <seconds>", "demand: as many as creates came within this time (default: 120)", seconds)
    .action(async (template: string, flags: SetFlags, command: Command) => {
      const { client, json } = contextOf(command);
      const { ready: minReady, most: maxReady, window } = flags;
      const demandWindowMs = window === undefined ? undefined : window * 1000;
      const pool = await client.pools.set({ ...sizeOf(template, flags), minReady, maxReady, demandWindowMs });
      await (json ? printJson(pool) : print(tableOf(head, [cellsOf(pool)])));
    });
  addSize(pools.command("rm"))
    .description("end a pool, and delete the VMs that wait in it")
    .action(async (template: string, flags: SizeFlags, command: Command) => {
      const { client, json } = contextOf(command);
      await client.pools.delete(sizeOf(template, flags));
      await (json ? printJson({ deleted: template }) : print(`${template}\n`));
    });
}

function addSize(command: Command): Command {
  return command
    .argument("<template>", "what its VMs start from")
    .option("--vcpus <number>", "virtual CPUs (default: 1)", wholeNumber)
    .option("--memory <MiB>", "memory (default: 512)", wholeNumber)
    .option("--disk <MiB>", "root disk (default: the template's size)", wholeNumber);
}

const sizeOf = (template: string, { vcpus, memory: memoryMib, disk: diskMib }: SizeFlags): PoolSize => ({
  ...{ template, vcpus, memoryMib, diskMib },
});

const head = ["TEMPLATE", "VCPUS", "MIB", "DISK MIB", "READY", "FILLING", "WANTED", "OF", "HITS", "MISSES"];

function cellsOf(pool: Pool): readonly string[] {
  const { template, vcpus, memoryMib, diskMib, ready, filling, wanted, minReady, maxReady, hits, misses } = pool;
  const bounds = minReady < maxReady ? `${minReady}-${maxReady}` : String(minReady);
  const numbers = [vcpus, memoryMib, diskMib || "template's", ready, filling, wanted, bounds, hits, misses];
  return [template, ...numbers.map(String)];
}
