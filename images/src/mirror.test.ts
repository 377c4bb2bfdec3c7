import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { chooseMirrors, readHostSources } from "./mirror.ts";

const source = (uri: string, suite: string) => ({ uris: [uri], suites: [suite], components: ["main"] });
const host = [
  source("https://other.example/apt", "stable-tools"),
  source("http://m.example/debian/", "bookworm"),
  source("http://m.example/security", "bookworm-security"),
];

describe("the mirror is", () => {
  test("the host's own, for each archive", () => {
    expect(chooseMirrors({}, host)).toEqual({ main: "http://m.example/debian", security: "http://m.example/security" });
  });
  test("the one the environment names, with security beside it", () => {
    expect(chooseMirrors({ DNAH_DEBIAN_MIRROR: "http://e.example/debian/" }, host)).toEqual({
      main: "http://e.example/debian",
      security: "http://e.example/debian-security",
    });
  });
  test("Debian's default on a host that has none, such as Ubuntu", () => {
    expect(chooseMirrors({}, [source("http://archive.example/ubuntu", "noble")])).toEqual({
      main: "http://deb.debian.org/debian",
      security: "http://deb.debian.org/debian-security",
    });
  });
  test("refused when it is no URL", () => {
    expect(() => chooseMirrors({ DNAH_DEBIAN_MIRROR: "m.example" }, [])).toThrow(/DNAH_DEBIAN_MIRROR is m\.example/);
  });
});

test("both styles of source files are read, and mirror lists are followed", async () => {
  await using dir = {
    path: await mkdtemp(join(tmpdir(), "apt-")),
    [Symbol.asyncDispose]: () => rm(dir.path, { recursive: true }),
  };
  await mkdir(join(dir.path, "sources.list.d"));
  await writeFile(join(dir.path, "list"), "# mirrors\nhttp://m.example/debian\n");
  await writeFile(join(dir.path, "sources.list"), "deb http://one.example/debian bookworm main\n");
  const stanza = `Types: deb\nURIs: mirror+file:${dir.path}/list\nSuites: trixie\nComponents: main\n`;
  await writeFile(join(dir.path, "sources.list.d/debian.sources"), stanza);
  await writeFile(join(dir.path, "sources.list.d/off.sources.disabled"), stanza);
  expect((await readHostSources(dir.path)).map((s) => s.uris)).toEqual([
    ["http://one.example/debian"],
    ["http://m.example/debian"],
  ]);
});
