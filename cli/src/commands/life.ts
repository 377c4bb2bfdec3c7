import { type Command, Option } from "commander";
import { Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { exitCodes } from "../exit-codes.ts";
import { failureText } from "../failure.ts";
import { addLifecycleOptions, childCount, duration, type LifecycleFlags, lifecycleOf, pair } from "../flags.ts";
import { print, printJson, tableOf, write } from "../output.ts";

/** Registers `dnah pause`, `resume`, `fork`, `rollback`, `restore`, `timeout` and `lineage`. */
export function registerLife(program: Command): void {
  registerPause(program);
  registerResume(program);
  registerFork(program);
  registerRollback(program);
  registerRestore(program);
  registerTimeout(program);
  registerLineage(program);
}

function registerPause(program: Command): void {
  program
    .command("pause")
    .description("write a sandbox's memory and disk down and give its CPU and memory back")
    .argument("<sandbox>", "its id")
    .action(async (id: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const info = await (await Sandbox.connect(id, { client })).pause();
      await (json ? printJson(info) : print(`${id}\n`));
    });
}

function registerResume(program: Command): void {
  program
    .command("resume")
    .description("run a paused sandbox on, or start a failed one again from its disk")
    .argument("<sandbox>", "its id")
    .option("--timeout <time>", "its time until it ends or pauses, anew", duration)
    .action(async (id: string, { timeout }: { timeout?: number }, command: Command) => {
      const { client, json } = contextOf(command);
      const info = await (await Sandbox.connect(id, { client })).resume({ lifecycleTimeoutMs: timeout });
      await (json ? printJson(info) : print(`${id}\n`));
    });
}

interface ForkFlags extends LifecycleFlags {
  readonly count?: number;
  readonly metadata?: Record<string, string>;
  readonly env?: Record<string, string>;
}

function registerFork(program: Command): void {
  addLifecycleOptions(program.command("fork"))
    .description("make children of this instant of a sandbox, which stays as it was, and print their ids")
    .argument("<sandbox>", "its id")
    .option("-n, --count <number>", "how many, 1 to 100 (default: 1)", childCount)
    .option("-m, --metadata <name=value>", "a label of each child; may be repeated", pair)
    .option("-e, --env <name=value>", "environment of what they start later; may be repeated", pair)
    .action(async (id: string, flags: ForkFlags, command: Command) => {
      const { client, json } = contextOf(command);
      const parent = await Sandbox.connect(id, { client });
      const { count = 1, metadata, env } = flags;
      const outcomes = await parent.forkMany(count, { metadata, env, lifecycle: lifecycleOf(flags) });
      const children = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        await write(process.stderr, failureText(outcome.reason));
        process.exitCode = exitCodes.failed;
      }
      if (json) return printJson(children.map((child) => ({ id: child.id, accessToken: child.accessToken })));
      await print(children.map((child) => `${child.id}\n`).join(""));
    });
}

function registerRollback(program: Command): void {
  program
    .command("rollback")
    .description("put a sandbox back to one of its snapshots; what it did since is gone")
    .argument("<sandbox>", "its id")
    .argument("<snapshot>", "the snapshot's id, snap_…")
    .action(async (id: string, snapshotId: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const info = await (await Sandbox.connect(id, { client })).rollBack(snapshotId);
      await (json ? printJson(info) : print(`${id}\n`));
    });
}

function registerRestore(program: Command): void {
  program
    .command("restore")
    .description("take the delete of a sandbox back, while its tombstone lasts; it is paused then")
    .argument("<id>", "the deleted sandbox's id")
    .action(async (id: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.undelete(id, { client });
      await (json ? printJson(await sandbox.info()) : print(`${id}\n`));
    });
}

function registerTimeout(program: Command): void {
  program
    .command("timeout")
    .description("set when a sandbox ends or pauses, counted from now, and print that time")
    .argument("<sandbox>", "its id")
    .argument("<time>", "such as 90s, 30m, 12h, 7d, or none", (text) => (text === "none" ? text : duration(text)))
    .addOption(new Option("--extend-only", "only ever later"))
    .action(async (id: string, time: number | "none", { extendOnly }: { extendOnly?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const info = await sandbox.setTimeout(time === "none" ? undefined : time, { extendOnly });
      await (json ? printJson(info) : print(`${info.endTime?.toISOString() ?? "none"}\n`));
    });
}

function registerLineage(program: Command): void {
  program
    .command("lineage")
    .description("show where a sandbox comes from, and what was made of it")
    .argument("<sandbox>", "its id")
    .action(async (id: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const lineage = await (await Sandbox.connect(id, { client })).lineage();
      if (json) return printJson(lineage);
      const rows = [
        ...lineage.ancestors.map((relative) => ["ancestor", relative] as const),
        ...lineage.children.map((relative) => ["child", relative] as const),
      ].map(([kind, { sandboxId, state, createTime, snapshotId }]) => {
        return [kind, sandboxId, state, createTime.toISOString(), snapshotId ?? ""];
      });
      await print(tableOf(["KIND", "ID", "STATE", "CREATED", "SNAPSHOT"], rows));
    });
}
