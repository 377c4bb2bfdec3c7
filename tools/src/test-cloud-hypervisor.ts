/**
 * `npm run test:cloud-hypervisor`: the tests of that driver alone. Against the binary that CLOUD_HYPERVISOR names, as root
 * on a host with KVM; against a stand-in where it names none. Its output says which.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { testPackages } from "./setup/debian-packages.ts";
import { root, setUp } from "./setup/setup.ts";
import { printedSteps } from "./setup/steps.ts";
import { stageForVms } from "./stage-for-vms.ts";

const binary = process.env.CLOUD_HYPERVISOR;
if (binary && !existsSync(binary)) {
  console.error(`CLOUD_HYPERVISOR is ${binary}, which is not there`);
  process.exit(1);
}
console.log(binary ? `against the real binary ${binary}` : "against the stand-in: CLOUD_HYPERVISOR names no binary");
const built = await setUp(printedSteps(console.log), process.env, testPackages);
using staged = stageForVms(built);
const env = { ...process.env, DNAH_TEST_BUNDLE: staged.setup.bundle, DNAH_TEST_INVM: staged.setup.invm };
// Verbose: with the reason of what is skipped.
const argv = ["run", "--reporter=verbose", "--project", "unit", "--project", "root", "hostd/src/vmm/cloud-hypervisor"];
const { status } = spawnSync("vitest", argv, { cwd: root, env, stdio: "inherit" });
process.exitCode = status ?? 1;
