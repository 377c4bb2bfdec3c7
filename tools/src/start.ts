/** `npm start`: the platform in the foreground. Flags go to `dnah up`. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup/setup.ts";
import { printedSteps } from "./setup/steps.ts";

try {
  const setup = await setUp(printedSteps(console.error), process.env);
  const flags = [
    "up",
    "--bundle",
    setup.bundle,
    "--vhost-device-vsock",
    setup.vhostDeviceVsock,
    ...process.argv.slice(2),
  ];
  const child = spawn(join(root, "cli/bin/dnah"), flags, { stdio: "inherit" });
  // Ctrl-C reaches the whole foreground group; a signal sent to us alone is passed on.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.once("close", (code, signal) => {
    process.exitCode = signal ? 1 : (code ?? 1);
  });
} catch (error) {
  console.error(`dnah: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
