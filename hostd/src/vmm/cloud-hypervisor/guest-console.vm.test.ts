import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { testBundle } from "../testing/test-bundle.ts";

/** The console that VMs have under Cloud Hypervisor, whose driver is a module: here by QEMU's device of the same kind. */
test("the guest's agent says on a virtio console why it could not boot", async () => {
  const { kernel, initramfs } = testBundle();
  const folder = await mkdtemp("/var/tmp/dnah-hvc-");
  const [console, disk] = [join(folder, "console"), join(folder, "disk")];
  await writeFile(disk, Buffer.alloc(1024 * 1024));
  const cmdline = "console=hvc0 quiet loglevel=1 panic=-1 reboot=t no_timer_check dnah.root=/dev/vda";
  const machine = ["-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", "256M", "-no-reboot"];
  const device = ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=c"];
  const chardev = ["-chardev", `file,id=c,path=${console}`];
  const drive = ["-drive", `file=${disk},format=raw,if=virtio`];
  const boot = ["-kernel", kernel, "-initrd", initramfs, "-append", cmdline];
  const argv = [
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    ...machine,
    ...chardev,
    ...device,
    ...drive,
    ...boot,
  ];
  const qemu = spawn("qemu-system-x86_64", argv, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(qemu, "exit");
  onTestFinished(async () => {
    qemu.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true });
  });
  await expect
    .poll(() => readFile(console, "utf8").catch(() => ""), { timeout: 60_000, interval: 100 })
    .toMatch(/invm: boot failed: .*vda/);
});
