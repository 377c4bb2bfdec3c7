import { link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { architectureOf } from "./architecture.ts";
import { buildBundle } from "./build-bundle.ts";
import type { Bundle } from "./bundle.ts";
import { cacheDirOf } from "./cache.ts";
import { checkHost } from "./check-host.ts";
import { sha256OfFile } from "./digest.ts";
import { parseLock } from "./lock.ts";
import { defaultSuite, lockPath } from "./lock-path.ts";
import { openToolbox } from "./toolbox.ts";

const cacheDir = cacheDirOf(process.env);
await mkdir(join(cacheDir, "images"), { recursive: true });
const missing = await checkHost(join(cacheDir, "images")).then(
  () => undefined,
  (error: Error) => error.message,
);

/** Every file of a bundle, named by its part, with its digest. */
async function digestsOf(dir: string, bundle: Bundle): Promise<Record<string, string>> {
  const parts = {
    kernel: bundle.kernel,
    initramfs: bundle.initramfs,
    moduleDisk: bundle.moduleDisk,
    base: bundle.templates[0],
  };
  const pairs = Object.entries(parts).map(
    async ([name, part]) => [name, await sha256OfFile(join(dir, part?.file ?? ""))] as const,
  );
  return Object.fromEntries(await Promise.all(pairs));
}

test("the same lock gives the same bytes, and images that fsck finds no fault with", async ({ skip }) => {
  if (missing !== undefined) {
    console.warn(`images are not built here: ${missing}`);
    if (process.env.DNAH_REQUIRE?.includes("images")) throw new Error(missing);
    skip(missing);
  }
  // On the cache's own file system, so that the packages can be shared by links.
  await using fresh = {
    path: await mkdtemp(join(cacheDir, "build-test-")),
    [Symbol.asyncDispose]: () => rm(fresh.path, { recursive: true }),
  };
  const agent = join(fresh.path, "agent");
  await writeFile(agent, "\x7fELF, for all that the build looks at");
  const context = { progress: (line: string) => console.error(line) };

  const first = await buildBundle({ agent, cacheDir, out: join(fresh.path, "first") }, context);
  await mkdir(join(fresh.path, "images/debs"), { recursive: true });
  for (const name of await readdir(join(cacheDir, "images/debs"))) {
    await link(join(cacheDir, "images/debs", name), join(fresh.path, "images/debs", name));
  }
  const second = await buildBundle({ agent, cacheDir: fresh.path, out: join(fresh.path, "second") }, context);

  expect(await digestsOf(second.dir, second.bundle)).toEqual(await digestsOf(first.dir, first.bundle));
  expect(second.bundle).toEqual(first.bundle);

  const architecture = architectureOf(process.arch);
  const path = lockPath(defaultSuite, architecture.debian);
  const toolbox = await openToolbox(
    join(fresh.path, "images"),
    parseLock(await readFile(path, "utf8"), path),
    architecture,
  );
  for (const part of [second.bundle.moduleDisk, ...second.bundle.templates]) {
    await toolbox.run(["sbin/e2fsck", "-f", "-n", join(second.dir, part.file)]);
  }
}, 600_000); // Half a minute of one core for each template; other builders may be at work.
