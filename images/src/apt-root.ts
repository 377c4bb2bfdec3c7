import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DebianArchitecture } from "./architecture.ts";
import { BuildError } from "./build-error.ts";
import type { Mirrors } from "./mirror.ts";
import { run } from "./run.ts";

const keyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/** The environment for apt's programs, pointed at an isolated root. */
export type AptEnvironment = Readonly<Record<string, string>>;

/**
 * Makes an apt root of its own: no package is installed in it, it knows only Debian's archives, and the host's apt never
 * hears of it. Of the host's configuration only how to reach a server is taken over (proxies, time-outs, credentials).
 */
export async function createAptRoot(
  options: { dir: string; suite: string; architecture: DebianArchitecture; mirrors: Mirrors },
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<AptEnvironment> {
  const { dir, suite, architecture, mirrors } = options;
  for (const sub of ["etc", "state/lists/partial", "cache/archives/partial", "log"])
    await mkdir(join(dir, sub), { recursive: true });
  await writeFile(join(dir, "state/status"), "");
  const signedBy = `signed-by=${await findKeyring()}`;
  await writeFile(
    join(dir, "etc/sources.list"),
    [
      `deb [${signedBy}] ${mirrors.main} ${suite} main`,
      `deb [${signedBy}] ${mirrors.main} ${suite}-updates main`,
      `deb [${signedBy}] ${mirrors.security} ${suite}-security main`,
      "",
    ].join("\n"),
  );
  const transport = acquireSettings((await run(["apt-config", "dump"], { signal })).toString());
  await writeFile(join(dir, "etc/apt.conf"), aptConfig(dir, architecture) + transport);
  return { ...(process.env as Record<string, string>), APT_CONFIG: join(dir, "etc/apt.conf"), LC_ALL: "C.UTF-8" };
}

function aptConfig(dir: string, architecture: DebianArchitecture): string {
  return `Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "${dir}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${dir}/state";
Dir::State::status "${dir}/state/status";
Dir::Cache "${dir}/cache";
Dir::Log "${dir}/log";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::ForceHash "SHA256";
`;
}

/** Keeps of `apt-config dump` the lines about fetching; translations are of no use to a build. */
export function acquireSettings(dump: string): string {
  const kept = dump
    .split("\n")
    .filter(
      (line) =>
        /^Acquire::(http|https|ftp|Retries|Check-|Queue-Mode|ForceIP|proxy)/i.test(line) && !line.endsWith(' "";'),
    );
  return `${[...kept, 'Acquire::Languages "none";', 'Acquire::Retries "3";'].join("\n")}\n`;
}

async function findKeyring(): Promise<string> {
  for (const path of keyrings)
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  throw new BuildError("Debian's archive keys are missing: run `apt-get install debian-archive-keyring`");
}
