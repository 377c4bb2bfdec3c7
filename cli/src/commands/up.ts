import type { Command } from "commander";
import { detach, down, runningPlatform } from "../up/detached.ts";
import { defaultDataDir, defaultRunDir, layoutOf } from "../up/layout.ts";
import { readUpOptions, type UpFlags } from "../up/options.ts";
import { preflight, requireRoot } from "../up/preflight.ts";
import { reported } from "../up/reported.ts";
import { up } from "../up/up.ts";

interface Flags extends UpFlags {
  readonly detach: boolean;
}

/** Registers `dnah up` and `dnah down`. */
export function registerUp(program: Command): void {
  program
    .command("up")
    .description("run the platform on this machine: PostgreSQL, control plane, host daemon")
    .option("--data-dir <folder>", "what must survive a reboot", defaultDataDir)
    .option("--run-dir <folder>", "sockets; at most 40 characters", defaultRunDir)
    .option("--listen <host:port>", "address of the API", "127.0.0.1:3000")
    .option("--hostd-listen <host:port>", "address of the host daemon (mutual TLS)", "127.0.0.1:18048")
    .option("--edge-listen <host:port>", "address of the host's edge, for clients of its sandboxes", "127.0.0.1:18049")
    .option("--database-url <url>", "a PostgreSQL of yours; a private one is run otherwise")
    .option(
      "--tombstone-retention <time>",
      "how long deleted sandboxes can be restored, such as 7d, or 0 (default: 24h)",
    )
    .option("--bundle <folder>", "guest images; those of `npm run quickstart` otherwise")
    .option("--vhost-device-vsock <file>", "vsock device for emulated VMs")
    .option("--vmm <driver>", "cloud-hypervisor, qemu, or auto: cloud-hypervisor where KVM is of use (default: auto)")
    .option("--cloud-hypervisor <file>", "Cloud Hypervisor's program; `cloud-hypervisor` in PATH otherwise")
    .option("--log-level <level>", "error, warn, info or debug", "info")
    .option("--no-config", "don't write ~/.config/dnah/config.json")
    .option("--detach", "run in the background", false)
    .addHelpText(
      "after",
      "\nDNAH_PUBLIC_URL, DNAH_DOMAIN, DNAH_EDGE_URL, DNAH_EDGE_TLS_CERT and DNAH_EDGE_TLS_KEY are handed on: docs/edge.md",
    )
    .action((flags: Flags) => reported(() => runUp(flags)));
  program
    .command("down")
    .description(
      "end the platform that runs in the background; sandboxes go on and are taken over by the next `dnah up`",
    )
    .option("--data-dir <folder>", "as for up", defaultDataDir)
    .option("--run-dir <folder>", "as for up", defaultRunDir)
    .action((flags: Pick<Flags, "dataDir" | "runDir">) =>
      reported(async () => {
        const ended = await down(layoutOf(flags.dataDir, flags.runDir));
        console.log(ended ? `ended ${ended.url}` : "nothing runs");
      }),
    );
}

async function runUp(flags: Flags): Promise<void> {
  requireRoot();
  const options = readUpOptions(flags, process.env);
  const { layout } = options;
  if (flags.detach) {
    const already = runningPlatform(layout);
    if (already === undefined) await preflight(options); // here, where its sentence is seen
    const running =
      already ??
      (await detach(
        layout,
        process.argv.slice(1).filter((word) => word !== "--detach"),
      ));
    console.log(`ready ${running.url}${already ? " (it ran already)" : ""}`);
    return;
  }
  const ended = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, resolve);
  });
  const platform = await up(options, (line) => console.error(`dnah: ${line}`));
  console.log(`ready ${platform.url}`);
  console.error(
    `dnah: straight to its sandboxes: ${options.edgeListen.host}:${options.edgeListen.port} (docs/edge.md)`,
  );
  console.error(`dnah: the first API key is in ${layout.adminKeyFile}; end with Ctrl-C`);
  await ended;
  console.error("dnah: ending; sandboxes go on and are taken over by the next `dnah up`");
  await platform.stop();
}
