import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, constants, readFile, rename, writeFile } from "node:fs/promises";
import { CommandError, type CommandRunner } from "../host/exec.ts";

export type KvmAnswer = { readonly usable: true } | { readonly usable: false; readonly reason: string };

export interface KvmProbe {
  readonly runner: CommandRunner;
  readonly qemuBinary: string;
  /** An uncompressed guest kernel, with its console on the platform's first serial port. */
  readonly kernel: string;
  /** Where the answer is kept, until the kernel, QEMU or the host's boot is another. */
  readonly cacheFile: string;
  /** A boot that takes longer hangs. KVM needs less than a second. */
  readonly timeoutMs: number;
  /** What runs the guest; another than KVM tests the probe itself. */
  readonly accelerator?: "kvm" | "tcg";
}

const DEVICE = "/dev/kvm";
/** A kernel without a root file system prints this at the end of its boot, and resets. */
const END_OF_BOOT = "Unable to mount root fs";

/**
 * Can this host's KVM run a stock kernel? By trying: in some clouds the device is there, opens, and a guest then spins
 * for ever or fails at its first instruction.
 */
export async function probeKvm(probe: KvmProbe, options: { readonly signal: AbortSignal }): Promise<KvmAnswer> {
  if (probe.accelerator !== "tcg") {
    try {
      await access(DEVICE, constants.R_OK | constants.W_OK);
    } catch (error) {
      return { usable: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }
  const key = await cacheKey(probe, options);
  const cached = await readCache(probe.cacheFile, key);
  if (cached !== undefined) {
    return cached;
  }
  const answer = await tryBoot(probe, options);
  await writeFile(`${probe.cacheFile}.draft`, JSON.stringify({ key, answer }));
  await rename(`${probe.cacheFile}.draft`, probe.cacheFile);
  return answer;
}

async function tryBoot(probe: KvmProbe, options: { readonly signal: AbortSignal }): Promise<KvmAnswer> {
  const timeout = AbortSignal.timeout(probe.timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  try {
    const { stdout } = await probe.runner.run(probeArgv(probe), { signal });
    return stdout.includes(END_OF_BOOT)
      ? { usable: true }
      : { usable: false, reason: `a guest ended before its boot did: ${stdout.trim().slice(-300)}` };
  } catch (error) {
    options.signal.throwIfAborted();
    if (timeout.aborted) {
      return { usable: false, reason: `a guest was not up after ${probe.timeoutMs} ms` };
    }
    if (error instanceof CommandError) {
      const said = error.stderr.trim().split("\n").at(-1);
      return { usable: false, reason: `a guest did not start: ${said || error.message}` };
    }
    throw error;
  }
}

export function probeArgv(probe: Pick<KvmProbe, "qemuBinary" | "kernel" | "accelerator">): readonly string[] {
  const { qemuBinary, kernel, accelerator = "kvm" } = probe;
  return [
    qemuBinary,
    ...["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"],
    ...["-machine", "pc", "-accel", accelerator, "-cpu", accelerator === "kvm" ? "host" : "max", "-m", "256M"],
    ...["-kernel", kernel, "-append", "console=ttyS0 reboot=t panic=-1", "-serial", "stdio"],
  ];
}

async function cacheKey(probe: KvmProbe, options: { readonly signal: AbortSignal }): Promise<string> {
  const digest = createHash("sha256");
  for await (const chunk of createReadStream(probe.kernel)) {
    options.signal.throwIfAborted();
    digest.update(chunk);
  }
  const { stdout } = await probe.runner.run([probe.qemuBinary, "--version"], options);
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8");
  return [digest.digest("hex"), stdout.split("\n")[0], bootId.trim()].join(" ");
}

async function readCache(file: string, key: string): Promise<KvmAnswer | undefined> {
  try {
    const cached = JSON.parse(await readFile(file, "utf8"));
    return cached?.key === key ? cached.answer : undefined;
  } catch {
    // Not there, or torn by a crash: probed anew.
    return undefined;
  }
}
