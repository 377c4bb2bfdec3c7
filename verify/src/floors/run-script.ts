/** A script that measures floors, in a process of its own: it prints one JSON document. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** `script` is a path from the top of the repository. */
export function runScript(script: string, flags: Readonly<Record<string, string | number>>): unknown {
  const path = fileURLToPath(new URL(`../../../${script}`, import.meta.url));
  const argv = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const printed = execFileSync(process.execPath, [path, ...argv], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(printed);
}
