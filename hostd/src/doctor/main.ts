/**
 * `dnah doctor`: what this host can do, which VM driver will be used and why, and how to mend each lack. Exits with 1
 * where sandboxes can't run.
 */
import { parseArgs } from "node:util";
import {
  examineCgroups,
  examineLocalNames,
  examineMemory,
  examineNft,
  examineProgram,
  examineReflinks,
  examineSpace,
  examineTun,
  examineUser,
} from "./examine.ts";
import { examineCloudHypervisor, examineLandlock } from "./examine-cloud-hypervisor.ts";
import { examineKvm } from "./examine-kvm.ts";
import { describeFindings, type Finding } from "./finding.ts";

const { values } = parseArgs({
  options: {
    "data-dir": { type: "string", default: "/var/lib/daytonah" },
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    "cloud-hypervisor": { type: "string", default: "cloud-hypervisor" },
    json: { type: "boolean", default: false },
  },
});
const options = { signal: AbortSignal.timeout(120_000) };
const dataDir = values["data-dir"];
const [qemuBinary, qemuPackage] =
  process.arch === "arm64" ? ["qemu-system-aarch64", "qemu-system-arm"] : ["qemu-system-x86_64", "qemu-system-x86"];

const kvm = await examineKvm({ bundle: values.bundle, qemuBinary, cacheDir: dataDir }, options);
const cloudHypervisor = await examineCloudHypervisor(values["cloud-hypervisor"], options);
/** What emulation needs is no lack where it is not used. */
const isolated = kvm.good === "yes" && cloudHypervisor.good === "yes";
const emulation = isolated ? "limited" : "no";
const findings: Finding[] = [
  await examineUser(),
  kvm,
  cloudHypervisor,
  await examineLandlock(),
  await examineProgram("qemu", qemuBinary, { good: emulation, mend: `apt-get install ${qemuPackage}` }, options),
  await examineProgram(
    "vsock device",
    values["vhost-device-vsock"],
    { good: emulation, mend: "npm run quickstart installs it; or cargo install vhost-device-vsock" },
    options,
  ),
  await examineReflinks(dataDir),
  await examineSpace(dataDir),
  await examineMemory(),
  await examineCgroups(),
  await examineTun(),
  await examineNft(options),
  await examineLocalNames(),
];

const usable = findings.every(({ good }) => good !== "no");
const why =
  kvm.good === "yes" ? "KVM works, but cloud-hypervisor can't be used" : "this host's KVM runs no stock kernel";
const driver = isolated
  ? {
      name: "cloud-hypervisor",
      hardwareIsolated: true,
      reason: "each VM is a KVM guest with a VMM of its own: the virtual machine is the boundary",
    }
  : {
      name: "qemu",
      hardwareIsolated: false,
      reason: `${why}: VMs are emulated. They behave the same, slower, and are NO security boundary`,
    };
if (values.json) {
  console.log(JSON.stringify({ usable, driver, findings }, undefined, 2));
} else {
  console.log(describeFindings(findings));
  console.log(`\ndriver: ${driver.name}. ${driver.reason}.`);
  console.log(usable ? "Sandboxes can run here." : "Sandboxes can't run here: mend what is marked ✗.");
}
process.exitCode = usable ? 0 : 1;
