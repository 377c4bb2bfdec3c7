/** The command line: one line here for each file in commands/. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { registerCp } from "./commands/cp.ts";
import { registerCreate } from "./commands/create.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEvents } from "./commands/events.ts";
import { registerExec } from "./commands/exec.ts";
import { registerForward } from "./commands/forward.ts";
import { registerHost } from "./commands/host.ts";
import { registerHosts } from "./commands/hosts.ts";
import { registerKeys } from "./commands/keys.ts";
import { registerLabel } from "./commands/label.ts";
import { registerLife } from "./commands/life.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerLs } from "./commands/ls.ts";
import { registerMetrics } from "./commands/metrics.ts";
import { registerOpen } from "./commands/open.ts";
import { registerOrgs } from "./commands/orgs.ts";
import { registerPools } from "./commands/pools.ts";
import { registerPorts } from "./commands/ports.ts";
import { registerPs } from "./commands/ps.ts";
import { registerRm } from "./commands/rm.ts";
import { registerRun } from "./commands/run.ts";
import { registerShell } from "./commands/shell.ts";
import { registerSnapshots } from "./commands/snapshots.ts";
import { registerTemplates } from "./commands/templates.ts";
import { registerUp } from "./commands/up.ts";
import { registerWatch } from "./commands/watch.ts";

export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("dnah")
    .description("hardware-isolated microVM sandboxes")
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError();
  // The platform itself
  registerUp(program);
  registerDoctor(program);
  // Sandboxes
  registerRun(program);
  registerCreate(program);
  registerExec(program);
  registerShell(program);
  registerCp(program);
  registerWatch(program);
  registerLs(program);
  registerLabel(program);
  registerRm(program);
  registerEvents(program);
  registerLife(program);
  registerSnapshots(program);
  // What runs in them
  registerPs(program);
  registerLogs(program);
  registerMetrics(program);
  registerPorts(program);
  registerOpen(program);
  registerForward(program);
  // What there is
  registerTemplates(program);
  registerHosts(program);
  registerHost(program);
  registerPools(program);
  registerKeys(program);
  registerOrgs(program);
  addGlobalOptions(program);
  return program;
}

/** They may stand before and after a command's name. */
function addGlobalOptions(command: Command): void {
  command
    .option("--json", "print JSON; `run` and `exec` print one object a line")
    .option("--url <url>", "the platform (else DNAH_URL, else the one of `dnah up`)")
    .option("--api-key <key>", "its key (else DNAH_API_KEY, else the one of `dnah up`); others can see it in `ps`");
  command.commands.forEach(addGlobalOptions);
}
