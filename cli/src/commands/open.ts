import { spawn } from "node:child_process";
import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { CliError } from "../cli-error.ts";
import { contextOf } from "../client.ts";
import { port, seconds } from "../flags.ts";
import { print, printJson } from "../output.ts";

interface Flags {
  readonly ttl?: number;
  readonly direct?: boolean;
  readonly print?: boolean;
}

/** Registers `dnah open`. */
export function registerOpen(program: Command): void {
  program
    .command("open")
    .description("open a sandbox's port in the browser, by an address that lets in for a time")
    .argument("<sandbox>", "its id")
    .argument("<port>", "1 to 65535", port)
    .option("--ttl <seconds>", "how long the address lets in (default: an hour)", seconds)
    .option("--direct", "by the host's own address, not through the control plane")
    .option("-p, --print", "only print the address")
    .action(async (id: string, number: number, flags: Flags, command: Command) => {
      const { client, json } = contextOf(command);
      const sandbox = await Sandbox.connect(id, { client });
      const ttlMs = flags.ttl === undefined ? undefined : flags.ttl * 1000;
      const found = await sandbox.ports.url(number, { ttlMs });
      const url = flags.direct ? found.directUrl : found.url;
      if (url === undefined) throw new CliError("The sandbox's host has no edge.", "Leave out --direct.");
      if (json) return printJson({ ...found, url });
      await print(`${url}\n`);
      if (!flags.print) openInBrowser(url);
    });
}

/** Best effort: the address is printed already, and a server has no browser. */
function openInBrowser(url: string): void {
  const opener = process.platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}
