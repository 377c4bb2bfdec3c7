/** Whether this host's KVM runs a stock kernel: by booting one. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createCommandRunner, executablePath } from "../host/exec.ts";
import type { Bundle } from "../images/bundle.ts";
import { probeKvm } from "../vmm/probe-kvm.ts";
import type { Finding } from "./finding.ts";

export interface KvmQuestion {
  /** Folder with the guest's kernel. */
  readonly bundle: string | undefined;
  readonly qemuBinary: string;
  /** Where the answer is kept until the host boots again. */
  readonly cacheDir: string;
}

const bootMs = 15_000;

export async function examineKvm(
  { bundle, qemuBinary, cacheDir }: KvmQuestion,
  options: { readonly signal: AbortSignal },
): Promise<Finding> {
  const name = "kvm";
  const mend = "use bare metal, or a cloud VM with nested virtualization; until then VMs are emulated";
  const manifest = bundle && join(bundle, "bundle.json");
  if (!manifest || !existsSync(manifest)) {
    return {
      name,
      good: "limited",
      detail: "not tried: there is no guest kernel yet",
      mend: "npm run quickstart builds one",
    };
  }
  try {
    await executablePath(qemuBinary);
    await mkdir(cacheDir, { recursive: true });
  } catch {
    return { name, good: "limited", detail: `not tried: that needs ${qemuBinary} and root`, mend: "see below" };
  }
  const { kernel } = JSON.parse(readFileSync(manifest, "utf8")) as Bundle;
  const answer = await probeKvm(
    {
      runner: createCommandRunner(),
      qemuBinary,
      kernel: join(bundle, kernel.file),
      cacheFile: join(cacheDir, "kvm-probe.json"),
      timeoutMs: bootMs,
    },
    options,
  );
  if (answer.usable) return { name, good: "yes", detail: "a stock kernel boots under KVM" };
  return { name, good: "limited", detail: answer.reason.split("\n")[0] as string, mend };
}
