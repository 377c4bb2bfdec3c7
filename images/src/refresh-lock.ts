import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { architectureOf } from "./architecture.ts";
import { BuildError } from "./build-error.ts";
import { cacheDirOf, createScratch } from "./cache.ts";
import { parseCommandLine } from "./command-line.ts";
import { formatLock, parseLock } from "./lock.ts";
import { defaultSuite, lockPath } from "./lock-path.ts";
import { chooseMirrors, readHostSources } from "./mirror.ts";
import { resolveLock } from "./resolve-lock.ts";

const usage = "usage: node images/src/refresh-lock.ts [--arch amd64|arm64]... [--suite bookworm]";

async function main(): Promise<void> {
  const { values } = parseCommandLine({
    options: { arch: { type: "string", multiple: true }, suite: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help) return void console.log(usage);
  const mirrors = chooseMirrors(process.env, await readHostSources());
  for (const name of values.arch ?? ["amd64", "arm64"]) {
    const architecture = architectureOf(name).debian;
    const path = lockPath(values.suite ?? defaultSuite, architecture);
    await using scratch = await createScratch(join(cacheDirOf(process.env), "images"));
    const lock = await resolveLock(
      { dir: scratch.dir, suite: values.suite ?? defaultSuite, architecture, mirrors },
      { progress: (line) => console.error(line) },
    );
    const before = await readFile(path, "utf8").then(
      (text) => parseLock(text, path),
      () => undefined,
    );
    // The archives are signed anew each day; while no package moved, neither may the bytes we build.
    const same =
      before !== undefined && formatLock({ ...lock, sourceDateEpoch: before.sourceDateEpoch }) === formatLock(before);
    console.log(`${path}: ${same ? "unchanged" : `${lock.packages.length} packages`}`);
    if (same) continue;
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(`${path}.new`, formatLock(lock));
    await rename(`${path}.new`, path);
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`refresh-lock: ${error.message}`);
  process.exitCode = 1;
}
