/** `npm run doctor`: `dnah doctor` with the images of this checkout, so far as they are built. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup/setup.ts";

const { status } = spawnSync(join(root, "cli/bin/dnah"), ["doctor", ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
