/**
 * `npm run quickstart`: from a fresh machine to a program that ran in a microVM. Each step says what it took.
 * A second run finds everything in its place.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CommandFailure, run } from "./setup/command.ts";
import { asRoot, root, setUp } from "./setup/setup.ts";
import { formatSeconds, printedSteps } from "./setup/steps.ts";

const dnah = join(root, "cli/bin/dnah");

const started = performance.now();

const program = `import platform, sys, time
print("hello from", platform.node(), "- Python", platform.python_version(), "on Linux", platform.release())
for i in range(3):
    print("tick", i); sys.stdout.flush(); time.sleep(0.3)`;

async function main(upFlags: readonly string[]): Promise<void> {
  if (asRoot.length > 0 && !existsSync("/usr/bin/sudo")) {
    throw new Error("this needs root, or sudo: it installs packages and starts VMs. Run it as root.");
  }
  const steps = printedSteps(console.log);
  const setup = await setUp(steps, process.env);
  const url = await steps.run("platform (dnah up)", async (note) => {
    const flags = ["--detach", "--bundle", setup.bundle, "--vhost-device-vsock", setup.vhostDeviceVsock];
    const printed = await run([...asRoot, dnah, "up", ...flags, ...upFlags]);
    note(printed.replace("ready ", "listening on "));
    return /ready (\S+)/.exec(printed)?.[1] as string;
  });
  const client = [...asRoot, "env", `DNAH_URL=${url}`, dnah];
  const id = await steps.run("sandbox", async (note) => {
    const created = JSON.parse(await run([...client, "--json", "create"])) as { id: string };
    note(`its id is ${created.id}`);
    return created.id;
  });
  await steps.run("a Python program in it", () => stream([...client, "exec", id, "--", "python3", "-c", program]));
  const line = 'echo "a shell line as $(id -un), in $(pwd)"; uname -srm; free -m | head -2';
  await steps.run("a shell line in it", () => stream([...client, "exec", id, "--", "bash", "-c", line]));

  const sudo = asRoot.length > 0 ? "sudo " : "";
  console.log(`
All of it took ${formatSeconds(performance.now() - started)}. The platform runs at ${url}, and the sandbox waits for you:

  ${sudo}cli/bin/dnah exec ${id} -- python3 -c 'print(6 * 7)'
  ${sudo}cli/bin/dnah run -- bash -c 'echo a sandbox for this line alone'
  ${sudo}cli/bin/dnah ls
  ${sudo}cli/bin/dnah rm ${id}
  ${sudo}cli/bin/dnah doctor          what this host can do
  ${sudo}cli/bin/dnah down            end the platform

Next: README.md shows the clients for TypeScript and Python.`);
}

/** Runs a command with its output on ours, as it comes. */
async function stream(argv: readonly string[]): Promise<void> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ["ignore", "inherit", "inherit"] });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`\`${argv.slice(0, 6).join(" ")} ...\` ended with code ${code}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`\ndnah: ${error instanceof Error ? error.message : error}`);
  if (error instanceof CommandFailure) console.error(error.output.split("\n").slice(-15).join("\n"));
  process.exitCode = 1;
}
