import type { Command } from "commander";
import { contextOf } from "../client.ts";
import { print, printJson, tableOf } from "../output.ts";

/** Registers `dnah hosts`. */
export function registerHosts(program: Command): void {
  program
    .command("hosts")
    .description("list the machines that run sandboxes; needs an admin key")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const hosts = await Array.fromAsync(client.hosts.list());
      if (json) return printJson(hosts);
      const rows = hosts.map((host) => [
        host.id,
        host.draining ? `${host.state}, draining` : host.state,
        host.driver,
        host.hardwareIsolated ? "yes" : "no (emulated)",
        host.architecture,
        String(host.vcpus),
        String(host.memoryMib),
        String(host.diskFreeMib),
        String(host.sandboxes),
        String(host.snapshots),
        host.obstacle ? `${host.obstacle.reason}: ${host.obstacle.message}` : "",
      ]);
      const head = [
        "ID",
        "STATE",
        "DRIVER",
        "ISOLATED",
        "ARCH",
        "VCPUS",
        "MIB",
        "FREE DISK MIB",
        "SANDBOXES",
        "SNAPSHOTS",
        "OBSTACLE",
      ];
      await print(tableOf(head, rows));
    });
}
