/** The two Rust programs: our agent for the guest, and the vsock device for emulated VMs. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "./command.ts";

const vhostDeviceVsockVersion = "0.3.0";

/** Rust's name for this machine. */
export const rustTarget = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-unknown-linux-gnu`;

function cargo(): string {
  const installed = join(homedir(), ".cargo/bin/cargo");
  return existsSync(installed) ? installed : "cargo";
}

export async function requireRust(): Promise<void> {
  await run([cargo(), "--version"]).catch((cause: unknown) => {
    throw new Error(
      "cargo is missing: install Rust 1.85 or newer (rustup.rs, or apt-get install rustup), then run this again.",
      { cause },
    );
  });
}

/** Builds the agent, or takes the one built from the same sources before. Returns the binary's path. */
export async function buildAgent(root: string, cache: string, note: (line: string) => void): Promise<string> {
  const rustc = await run([cargo(), "--version"]);
  const sources = globSync(
    [
      "Cargo.toml",
      "Cargo.lock",
      ".cargo/config.toml",
      "invm/Cargo.toml",
      "invm/build.rs",
      "invm/src/**/*.rs",
      "proto/daytonah/guest/**/*.proto",
    ],
    { cwd: root },
  ).sort();
  const hash = createHash("sha256").update(rustc).update(rustTarget);
  for (const source of sources) hash.update(source).update(readFileSync(join(root, source)));
  const cached = join(cache, "invm", hash.digest("hex").slice(0, 32), "invm");
  if (existsSync(cached)) return cached;

  const argv = [cargo(), "build", "--release", "--locked", "--package", "invm", "--target", rustTarget];
  await run(argv, { cwd: root, onLine: (line) => note(line.trim()) });
  mkdirSync(join(cached, ".."), { recursive: true });
  copyFileSync(join(root, "target", rustTarget, "release/invm"), `${cached}.${process.pid}`);
  renameSync(`${cached}.${process.pid}`, cached);
  return cached;
}

/** Installs the vsock device from crates.io into the cache. Returns the binary's path. */
export async function installVhostDeviceVsock(cache: string): Promise<string> {
  const folder = join(cache, `vhost-device-vsock-${vhostDeviceVsockVersion}`);
  const binary = join(folder, "bin/vhost-device-vsock");
  if (existsSync(binary)) return binary;
  const building = `${folder}.${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  const argv = [
    cargo(),
    "install",
    "--locked",
    "--root",
    building,
    "--version",
    vhostDeviceVsockVersion,
    "vhost-device-vsock",
  ];
  await run(argv, { env: { CARGO_TARGET_DIR: `${building}/target` } });
  rmSync(`${building}/target`, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  renameSync(building, folder);
  return binary;
}
