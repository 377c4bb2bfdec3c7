import { mkdirSync, mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSetup } from "../../../cli/src/up/options.ts";
import { cacheDirOf } from "../../../images/src/cache.ts";

// cli/ may import neither tools/ nor images/, so it has the rule of where the cache is a second time.
test.each([
  (folder: string) => ({ DNAH_CACHE_DIR: folder, XDG_CACHE_HOME: "/nowhere", HOME: "/nowhere" }),
  (folder: string) => ({ DNAH_CACHE_DIR: "", XDG_CACHE_HOME: folder, HOME: "/nowhere" }),
  (folder: string) => ({ XDG_CACHE_HOME: "", HOME: folder }),
])("the command line finds what the installer left", (envFor) => {
  using folder = mkdtempDisposableSync(join(tmpdir(), "dnah-cache-"));
  const env = envFor(folder.path);
  const cache = cacheDirOf(env);
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "setup.json"), JSON.stringify({ bundle: "here" }));
  expect(readSetup(env)).toEqual({ bundle: "here" });
});
