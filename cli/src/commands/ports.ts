import type { Command } from "commander";
import { type ListeningPort, Sandbox } from "daytonah";
import { contextOf } from "../client.ts";
import { port } from "../flags.ts";
import { endingOnInterrupt } from "../interrupts.ts";
import { print, printJson, tableOf } from "../output.ts";

interface Flags {
  readonly watch?: boolean;
  readonly public?: number;
  readonly private?: number;
}

/** Registers `dnah ports`. */
export function registerPorts(program: Command): void {
  program
    .command("ports")
    .description("list the TCP ports that programs in a sandbox listen on")
    .argument("<sandbox>", "its id")
    .option("-w, --watch", "stay and show them again at each change")
    .option("--public <port>", "first open this port's address to everyone", port)
    .option("--private <port>", "first close it again", port)
    .action(async (id: string, flags: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      using interrupt = endingOnInterrupt();
      const { signal } = interrupt;
      const sandbox = await Sandbox.connect(id, { client, signal });
      if (flags.public !== undefined) await sandbox.ports.setPublic(flags.public, true, { signal });
      if (flags.private !== undefined) await sandbox.ports.setPublic(flags.private, false, { signal });
      const { publicPorts } = await sandbox.info({ signal });
      const show = (ports: readonly ListeningPort[]) =>
        json
          ? printJson(ports.map((one) => ({ ...one, public: publicPorts.includes(one.port) })))
          : print(textOf(ports, publicPorts));
      if (!flags.watch) return show(await sandbox.ports.list({ signal }));
      await interrupt.until(async () => {
        for await (const ports of sandbox.ports.watch({ signal })) await show(ports);
      });
    });
}

function textOf(ports: readonly ListeningPort[], publicPorts: readonly number[]): string {
  const rows = ports.map(({ port: number, address, pid, command }) => [
    String(number),
    address,
    publicPorts.includes(number) ? "public" : "private",
    String(pid ?? ""),
    command,
  ]);
  return tableOf(["PORT", "ADDRESS", "ACCESS", "PID", "PROGRAM"], rows);
}
