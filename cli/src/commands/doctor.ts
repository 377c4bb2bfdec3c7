import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { defaultDataDir } from "../up/layout.ts";
import { readSetup } from "../up/options.ts";

const script = fileURLToPath(new URL("../../../hostd/src/doctor/main.ts", import.meta.url));

/** Registers `dnah doctor`: the host daemon's own examination of this machine. */
export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .description("what this host can do, which VM driver it will use and why, and how to mend each lack")
    .option("--data-dir <folder>", "where VMs' disks will be", defaultDataDir)
    .action((flags: { dataDir: string }, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const setup = readSetup(process.env);
      const argv = [
        script,
        "--data-dir",
        flags.dataDir,
        ...(setup.bundle === undefined ? [] : ["--bundle", setup.bundle]),
        ...(setup.vhostDeviceVsock === undefined ? [] : ["--vhost-device-vsock", setup.vhostDeviceVsock]),
        ...(process.env.DNAH_CLOUD_HYPERVISOR ? ["--cloud-hypervisor", process.env.DNAH_CLOUD_HYPERVISOR] : []),
        ...(json ? ["--json"] : []),
      ];
      process.exitCode = spawnSync(process.execPath, argv, { stdio: "inherit" }).status ?? 1;
    });
}
