import { join } from "node:path";
import { architectureOf } from "./architecture.ts";
import { buildBundle } from "./build-bundle.ts";
import { BuildError } from "./build-error.ts";
import { parseCommandLine } from "./command-line.ts";

const usage = `usage: node images/src/build.ts [--agent <path to invm>] [--out <dir>] [--locked] [--json]

Builds guest kernel, initramfs, module disk and base template from images/lock, and prints the bundle's directory.
  --agent   the static agent; by default what \`cargo build --release\` leaves under invm/target
  --out     the bundle's directory; by default one in the cache
  --locked  fail, rather than use present versions, when the mirror has dropped a locked package
  --json    print {"dir", "bundle"} instead`;

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseCommandLine({
    options: {
      agent: { type: "string" },
      out: { type: "string" },
      locked: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return void console.log(usage);
  const target = architectureOf(process.arch).rustTarget;
  const agent = values.agent ?? join(import.meta.dirname, "../../invm/target", target, "release/invm");
  const started = Date.now();
  const progress = (line: string) => console.error(`[${((Date.now() - started) / 1000).toFixed(1)} s] ${line}`);
  const built = await buildBundle({ agent, out: values.out, locked: values.locked }, { signal, progress });
  console.log(values.json ? JSON.stringify(built) : built.dir);
}

const abort = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => abort.abort(new BuildError(`stopped by ${name}`)));
process.umask(0o022); // What maintainer scripts create must not depend on who builds.
try {
  await main(abort.signal);
} catch (error) {
  const full = (error as NodeJS.ErrnoException).code === "ENOSPC";
  if (!(error instanceof BuildError) && !full) throw error;
  const hint = full ? ": free some disk space, or set DNAH_CACHE_DIR to a larger file system" : "";
  console.error(`images: ${(error as Error).message}${hint}`);
  process.exitCode = 1;
}
