import type { Command } from "commander";
import { awaitDrained } from "../await-drained.ts";
import { contextOf } from "../client.ts";
import { seconds } from "../flags.ts";
import { print, printJson } from "../output.ts";
import { defaultHostId, joinedHostId, joinHost } from "../up/join-host.ts";
import { defaultDataDir, defaultRunDir } from "../up/layout.ts";
import { type DaemonFlags, readDaemonOptions } from "../up/options.ts";
import { preflightDaemon, requireRoot } from "../up/preflight.ts";
import { reported } from "../up/reported.ts";
import { originOf, startDaemon } from "../up/start-daemon.ts";

interface JoinFlags extends DaemonFlags {
  readonly server: string;
  readonly token: string;
  readonly hostId?: string;
  readonly hostUrl?: string;
}

const stopGraceMs = 15_000;

/** Registers `dnah host token`, `drain`, `undrain`, `rm`, `join` and `up`. */
export function registerHost(program: Command): void {
  const host = program.command("host").description("let machines join the platform; `dnah hosts` lists them");
  host
    .command("token")
    .description("make a token with which one host may join, once; needs an admin key")
    .option("--host-id <id>", "for this host only, also where there is one of this id already")
    .option("--ttl <seconds>", "how long it works (default: 3600)", seconds)
    .action(async ({ hostId, ttl }: { hostId?: string; ttl?: number }, command: Command) => {
      const { client, json } = contextOf(command);
      const ttlMs = ttl === undefined ? undefined : ttl * 1000;
      const created = await client.hosts.createJoinToken({ hostId, ttlMs });
      await (json ? printJson(created) : print(`${created.token}\n`));
    });
  host
    .command("drain <id>")
    .description("move its sandboxes and snapshots to other hosts, running ones too; needs an admin key")
    .option("--wait", "until nothing is left on it")
    .action(async (id: string, { wait = false }: { wait?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      const begun = await client.hosts.drain(id);
      const drained = wait ? await awaitDrained(client, id) : begun;
      await (json ? printJson(drained) : print(`${id}\n`));
    });
  host
    .command("undrain <id>")
    .description("let it take sandboxes again; needs an admin key")
    .action(async (id: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const undrained = await client.hosts.undrain(id);
      await (json ? printJson(undrained) : print(`${id}\n`));
    });
  host
    .command("rm <id>")
    .description("forget a host that has no sandboxes; needs an admin key")
    .option("--force", "also with sandboxes on it: the machine is gone for good, and they are with it")
    .action(async (id: string, { force }: { force?: boolean }, command: Command) => {
      const { client, json } = contextOf(command);
      await client.hosts.remove(id, { force });
      await (json ? printJson({ removed: id }) : print(`${id}\n`));
    });
  addDaemonOptions(host.command("join"))
    .description("let this machine join, then run its daemon")
    .requiredOption("--server <url>", "the API; https:// where the way there is not your own")
    .requiredOption("--token <token>", "from `dnah host token`")
    .option("--host-id <id>", "the name it will have (default: the machine's name)")
    .option("--host-url <url>", "where the control plane reaches the daemon, where that is not --hostd-listen")
    .action((flags: JoinFlags) => reported(() => runJoin(flags)));
  addDaemonOptions(host.command("up"))
    .description("run the daemon of this machine, which has joined before")
    .action((flags: DaemonFlags) => reported(() => runUp(flags)));
}

function addDaemonOptions(command: Command): Command {
  return command
    .requiredOption("--hostd-listen <host:port>", "address of the daemon, which the control plane reaches (mutual TLS)")
    .option("--edge-listen <host:port>", "address of its edge, for clients of its sandboxes", "127.0.0.1:18049")
    .option("--data-dir <folder>", "what must survive a reboot", defaultDataDir)
    .option("--run-dir <folder>", "sockets; at most 40 characters", defaultRunDir)
    .option("--bundle <folder>", "guest images; those of `npm run quickstart` otherwise")
    .option("--vhost-device-vsock <file>", "vsock device for emulated VMs")
    .option("--vmm <driver>", "cloud-hypervisor, qemu, or auto (default: auto)")
    .option("--cloud-hypervisor <file>", "Cloud Hypervisor's program; `cloud-hypervisor` in PATH otherwise")
    .option("--log-level <level>", "error, warn, info or debug", "info");
}

async function runJoin(flags: JoinFlags): Promise<void> {
  requireRoot();
  const options = readDaemonOptions(flags, process.env);
  await preflightDaemon(options);
  const { server, token, hostId = defaultHostId() } = flags;
  joinHost({ layout: options.layout, server, token, hostId, url: flags.hostUrl ?? originOf(options.hostdListen) });
  console.error(`dnah: joined ${server} as ${hostId}; after a restart: dnah host up`);
  await runUp(flags);
}

async function runUp(flags: DaemonFlags): Promise<void> {
  requireRoot();
  const options = readDaemonOptions(flags, process.env);
  await preflightDaemon(options);
  const ended = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, resolve);
  });
  const daemon = await startDaemon(options, joinedHostId(options.layout), (line) => console.error(`dnah: ${line}`));
  console.log(`ready ${daemon.ready}`);
  await ended;
  console.error("dnah: ending; sandboxes go on and are taken over by the next `dnah host up`");
  await daemon.stop(stopGraceMs);
}
