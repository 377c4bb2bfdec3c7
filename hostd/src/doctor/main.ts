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
import { examineKvm } from "./examine-kvm.ts";
import { describeFindings, type Finding } from "./finding.ts";

const { values } = parseArgs({
  options: {
    "data-dir": { type: "string", default: "/var/lib/daytonah" },
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    json: { type: "boolean", default: false },
  },
});
const options = { signal: AbortSignal.timeout(120_000) };
const dataDir = values["data-dir"];
const [qemuBinary, qemuPackage] =
  process.arch === "arm64" ? ["qemu-system-aarch64", "qemu-system-arm"] : ["qemu-system-x86_64", "qemu-system-x86"];

const kvm = await examineKvm({ bundle: values.bundle, qemuBinary, cacheDir: dataDir }, options);
const qemu = await examineProgram("qemu", qemuBinary, { good: "no", mend: `apt-get install ${qemuPackage}` }, options);
const vsock = await examineProgram(
  "vsock device",
  values["vhost-device-vsock"],
  { good: "no", mend: "npm run quickstart installs it; or cargo install vhost-device-vsock" },
  options,
);
const findings: Finding[] = [
  await examineUser(),
  kvm,
  qemu,
  vsock,
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
  kvm.good === "yes"
    ? "KVM works, but its driver (cloud-hypervisor) is not there yet"
    : "this host's KVM runs no stock kernel";
const driver = {
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
