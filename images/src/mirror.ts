import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AptSource, parseDeb822Sources, parseOneLineSources } from "./apt-sources.ts";
import { BuildError } from "./build-error.ts";
import type { Archive } from "./lock.ts";

/** Where each of Debian's archives is fetched from; no slash at the end. */
export type Mirrors = Readonly<Record<Archive, string>>;

/** Debian's own documented default, for hosts whose apt names no Debian mirror (Ubuntu, say). */
const publicMirror = "http://deb.debian.org/debian";

/** Chooses the mirrors: the environment first, then the host's own apt sources, then Debian's default. */
export function chooseMirrors(
  env: Readonly<Record<string, string | undefined>>,
  sources: readonly AptSource[],
): Mirrors {
  const asked = checkedUrl("DNAH_DEBIAN_MIRROR", env.DNAH_DEBIAN_MIRROR);
  const askedSecurity = checkedUrl("DNAH_DEBIAN_SECURITY_MIRROR", env.DNAH_DEBIAN_SECURITY_MIRROR);
  const main =
    asked ??
    hostMirror(sources, (suite) => /^(bookworm|trixie|forky|duke|bullseye|stable|testing|oldstable)$/.test(suite)) ??
    publicMirror;
  // A mirror that was asked for is taken at its word for both archives: going round it to the host's other one would surprise.
  const found =
    asked === undefined
      ? hostMirror(sources, (suite) => /^(bookworm|trixie|forky|duke|stable)-security$/.test(suite))
      : undefined;
  return { main, security: askedSecurity ?? found ?? main.replace(/\/debian$/, "/debian-security") };
}

function hostMirror(sources: readonly AptSource[], wanted: (suite: string) => boolean): string | undefined {
  const source = sources.find((s) => s.components.includes("main") && s.suites.some(wanted) && s.uris.some(isUsable));
  return source?.uris.find(isUsable)?.replace(/\/+$/, "");
}

function isUsable(uri: string): boolean {
  return /^(https?|file):\/\//.test(uri);
}

function checkedUrl(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (!isUsable(value))
    throw new BuildError(
      `${name} is ${value}, which is no http, https or file URL: set it to one such as ${publicMirror}`,
    );
  return value.replace(/\/+$/, "");
}

/** Reads every source the host's apt would, in both of its styles. A host without apt sources has none: that is no error. */
export async function readHostSources(etcApt = "/etc/apt"): Promise<AptSource[]> {
  const parts = await readdir(join(etcApt, "sources.list.d")).catch(() => []);
  const files = ["sources.list", ...parts.sort().map((name) => join("sources.list.d", name))];
  const sources: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(join(etcApt, file), "utf8").catch(() => "");
    if (file.endsWith(".list")) sources.push(...parseOneLineSources(text));
    else if (file.endsWith(".sources")) sources.push(...parseDeb822Sources(text));
  }
  return Promise.all(
    sources.map(async (source) => ({ ...source, uris: (await Promise.all(source.uris.map(followMirrorFile))).flat() })),
  );
}

/** Debian's cloud images say `mirror+file:/etc/apt/mirrors/debian.list`: the file holds the URIs, one a line. */
async function followMirrorFile(uri: string): Promise<string[]> {
  const path = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
  if (path === undefined) return [uri];
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .flatMap((line) => line.replace(/#.*/, "").trim().split(/\s+/).slice(0, 1))
    .filter((word) => word !== "");
}
