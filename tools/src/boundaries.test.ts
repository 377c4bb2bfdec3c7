/** Who may import whom: the table of ARCHITECTURE.md, held against every import in the tree. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Folder -> the other top-level folders that it may import. Tests may import their own folder's rest and these. */
const folders: Record<string, readonly string[]> = {
  gen: [],
  lib: ["gen"],
  server: ["gen", "lib"],
  hostd: ["gen", "lib"],
  images: [],
  "sdk-ts": ["gen"],
  cli: ["sdk-ts"],
};

/** Inside a folder: part -> the parts it may import. A part not named here is free. */
const parts: Record<string, Record<string, readonly string[]>> = {
  server: {
    domain: [],
    db: ["domain"],
    hosts: ["domain"],
    services: ["domain", "db", "hosts"],
    api: ["domain", "db", "services", "hosts", "auth"],
    loops: ["domain", "db", "services", "hosts"],
  },
  hostd: {
    vmm: ["host"],
    host: [],
    guest: [],
    moves: ["host"],
    vm: ["vmm", "host", "guest", "images", "moves"],
    api: ["vm", "guest", "pki"],
  },
};

const packages: Record<string, string> = { daytonah: "sdk-ts" };

interface Import {
  readonly file: string;
  readonly target: string;
}

function readImports(): Import[] {
  const files = globSync("{gen,lib,server,hostd,images,sdk-ts,cli}/{src,es}/**/*.ts", { cwd: root });
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), "utf8");
    return [...text.matchAll(/(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].flatMap(([, name]) => {
      const target = resolve(file, name as string);
      return target === undefined ? [] : [{ file, target }];
    });
  });
}

/** A file's path from the root, a workspace's folder, or undefined for what is not ours. */
function resolve(file: string, name: string): string | undefined {
  if (name.startsWith(".")) return relative(root, join(root, dirname(file), name));
  const own = /^@daytonah\/([a-z-]+)(?:\/(.*))?$/.exec(name);
  if (own) return `${own[1]}/src/${own[2] ?? ""}`;
  const known = packages[name.split("/")[0] as string];
  return known && `${known}/src/`;
}

const topOf = (path: string) => path.split("/")[0] as string;
const partOf = (path: string) => (path.split("/").length > 3 ? path.split("/")[2] : undefined);
const isTest = (file: string) => /\.test\.ts$|\.contract\.ts$|\/testing\//.test(file);

test("the check reads the tree at all", () => {
  const imports = readImports();
  expect(imports.length).toBeGreaterThan(50);
  expect(new Set(imports.map(({ file }) => topOf(file)))).toContain("lib");
});

test("no folder imports one that it may not", () => {
  const wrong = readImports().filter(({ file, target }) => {
    const [from, to] = [topOf(file), topOf(target)];
    return from !== to && !(folders[from] ?? []).includes(to);
  });
  expect(wrong).toEqual([]);
});

test("no part of a folder imports one that it may not", () => {
  const wrong = readImports().filter(({ file, target }) => {
    if (isTest(file) || topOf(file) !== topOf(target)) return false;
    const [from, to] = [partOf(file), partOf(target)];
    const allowed = from === undefined ? undefined : parts[topOf(file)]?.[from];
    return (
      allowed !== undefined &&
      to !== undefined &&
      from !== to &&
      parts[topOf(file)]?.[to] !== undefined &&
      !allowed.includes(to)
    );
  });
  expect(wrong).toEqual([]);
});

test("drivers of the VMM are imported by main and by tests alone", () => {
  const wrong = readImports().filter(
    ({ file, target }) =>
      /^hostd\/src\/vmm\/(qemu|fake|cloud-hypervisor)\//.test(target) &&
      !/^hostd\/src\/(vmm\/|bench\/|doctor\/|main\.ts)/.test(file) &&
      !isTest(file),
  );
  expect(wrong).toEqual([]);
});
