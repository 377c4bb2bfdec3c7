import { BuildError } from "./build-error.ts";

/** Debian's name for an architecture; locks and packages use it. */
export type DebianArchitecture = "amd64" | "arm64";

/** The machine's own name; the bundle and its readers use it. */
export type MachineArchitecture = "x86_64" | "aarch64";

export type Architecture = {
  readonly debian: DebianArchitecture;
  readonly machine: MachineArchitecture;
  /** Debian's multiarch triplet: where the packages keep their libraries. */
  readonly triplet: string;
  /** The dynamic loader's file name, by which the toolbox's programs are run. */
  readonly loader: string;
  /** The Rust target the agent is built for, statically. */
  readonly rustTarget: string;
};

const architectures: readonly Architecture[] = [
  {
    debian: "amd64",
    machine: "x86_64",
    triplet: "x86_64-linux-gnu",
    loader: "ld-linux-x86-64.so.2",
    rustTarget: "x86_64-unknown-linux-gnu",
  },
  {
    debian: "arm64",
    machine: "aarch64",
    triplet: "aarch64-linux-gnu",
    loader: "ld-linux-aarch64.so.1",
    rustTarget: "aarch64-unknown-linux-gnu",
  },
];

/** Finds an architecture by either of its names, or by Node's `process.arch`. */
export function architectureOf(name: string): Architecture {
  const debian = name === "x64" ? "amd64" : name;
  const found = architectures.find((a) => a.debian === debian || a.machine === debian);
  if (found === undefined)
    throw new BuildError(`architecture ${name} is not supported: images are made for amd64 and arm64`);
  return found;
}
