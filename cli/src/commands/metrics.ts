import type { Command } from "commander";
import { type MetricsSample, Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah metrics`. */
export function registerMetrics(program: Command): void {
  program
    .command("metrics")
    .description("show what a sandbox uses of CPU, memory and disk")
    .argument("<sandbox>", "its id")
    .option("--history", "also how it was, oldest first")
    .action(async (id: string, flags: { history?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const { now, history } = await sandbox.metrics({ history: flags.history ?? false });
      const samples = [...history, now];
      if (json) return printJson(samples);
      await print(tableOf(["TIME", "CPU %", "MEMORY MIB", "OF", "DISK MIB", "OF"], samples.map(rowOf)));
    });
}

const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);

function rowOf(sample: MetricsSample): string[] {
  return [
    sample.time.toISOString(),
    sample.cpuUsedPercent.toFixed(1),
    mib(sample.memoryUsedBytes),
    mib(sample.memoryTotalBytes),
    mib(sample.diskUsedBytes),
    mib(sample.diskTotalBytes),
  ];
}
