import type { Command } from "commander";
import type { SandboxEvent } from "daytonah";
import { contextOf } from "../client.ts";
import { endingOnInterrupt } from "../interrupts.ts";
import { print, printJson } from "../output.ts";

interface Flags {
  readonly follow?: boolean;
  readonly sandbox?: string;
  readonly cursor?: string;
}

/** Registers `dnah events`. */
export function registerEvents(program: Command): void {
  program
    .command("events")
    .description("show what happened to your sandboxes and snapshots, 7 days at most")
    .option("-f, --follow", "show what happens from now on, until Ctrl-C")
    .option("--sandbox <id>", "only of this one")
    .option("--cursor <cursor>", "only what came after it; with -f that too")
    .action(async ({ follow, sandbox: sandboxId, cursor }: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      using interrupt = endingOnInterrupt();
      const options = { sandboxId, cursor, signal: interrupt.signal };
      const events = follow ? client.events.watch(options) : client.events.list(options);
      await interrupt.until(async () => {
        for await (const event of events) await (json ? printJson(event) : print(`${lineOf(event)}\n`));
      });
    });
}

/** `2026-01-02T03:04:05.000Z  1234  sandbox.failed  k3v…  reason=VM_DIED`. */
function lineOf({ time, cursor, kind, sandboxId, data }: SandboxEvent): string {
  const facts = Object.entries(data).map(([name, value]) => `${name}=${value}`);
  return [time.toISOString(), cursor.padEnd(6), kind.padEnd(18), sandboxId, ...facts].join("  ").trimEnd();
}
