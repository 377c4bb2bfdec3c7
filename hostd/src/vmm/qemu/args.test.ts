import { expect, test } from "vitest";
import type { VmConfig } from "../vmm.ts";
import { type QemuArgs, qemuArgv, qemuPathsOf, vsockChardev, vsockDevice } from "./args.ts";

const config: VmConfig = {
  id: "k3xyz",
  dir: "/run/dnah/7",
  uid: 0x2da0_0007,
  gid: 0x2da0_0007,
  vcpus: 2,
  memoryMib: 512,
  kernel: "/images/vmlinux",
  initramfs: "/images/initramfs.cpio",
  cmdline: ["dnah.root=/dev/vda"],
  disks: [
    { id: "root", path: "/vms/k3xyz/root,disk", readonly: false },
    { id: "modules", path: "/images/modules.ext4", readonly: true },
  ],
};
const args: QemuArgs = {
  qemuBinary: "/usr/bin/qemu",
  architecture: "x86_64",
  config,
  paths: qemuPathsOf(config, "/dev/shm/dnah"),
  start: { t: "boot" },
};

/** One option with its value a line. */
const text = (argv: readonly string[]) => `${argv.join("\n").replaceAll(/\n(?!-)/g, " ")}\n`;

test("boots x86_64 on the pc machine", async () => {
  await expect(text(qemuArgv(args))).toMatchFileSnapshot("testdata/x86_64-boot.txt");
});

test("restores x86_64 without the vsock device, on the machine type of the snapshot", async () => {
  const restore = { ...args, start: { t: "restore", machine: "pc-i440fx-7.2" } as const };
  await expect(text(qemuArgv(restore))).toMatchFileSnapshot("testdata/x86_64-restore.txt");
});

test("boots aarch64 on the virt machine", async () => {
  await expect(text(qemuArgv({ ...args, architecture: "aarch64" }))).toMatchFileSnapshot("testdata/aarch64-boot.txt");
});

test("devices of a restored VM are where they were, whatever else there is", () => {
  const oneDisk = { ...config, disks: config.disks.slice(0, 1) };
  const addressed = (argv: readonly string[]) => argv.filter((one) => one.includes("virtio-blk-pci"));
  const all = addressed(qemuArgv(args));
  expect(addressed(qemuArgv({ ...args, config: oneDisk }))).toEqual(all.slice(0, 1));
  expect(addressed(qemuArgv({ ...args, start: { t: "restore", machine: "pc" } }))).toEqual(all);
});

test("the vsock device has the same place at boot and when it is plugged in later", () => {
  const { driver, ...properties } = vsockDevice("x86_64");
  const option = [driver, ...Object.entries(properties).map(([key, value]) => `${key}=${value}`)].join(",");
  expect(qemuArgv(args)).toContain(option);
  expect(vsockChardev(args.paths)).toEqual({
    id: "vsock0",
    backend: {
      type: "socket",
      data: { addr: { type: "unix", data: { path: "/run/dnah/7/own/vhost-user" } }, server: false },
    },
  });
});

test("commas in a folder's name do not split an option", () => {
  const odd = { ...config, dir: "/run/a,b=c" };
  const argv = qemuArgv({ ...args, config: odd, paths: qemuPathsOf(odd, "/dev/shm/dnah") });
  expect(argv).toContain("socket,id=qmp,path=/run/a,,b=c/own/qmp,server=on,wait=off");
});

test("one emulated CPU needs no thread for each", () => {
  expect(qemuArgv({ ...args, config: { ...config, vcpus: 1 } })).toContain("tcg,thread=single");
});

test("refuses more disks than there are slots", () => {
  const disks = Array.from({ length: 17 }, (_, n) => ({ id: `d${n}`, path: `/d${n}`, readonly: true }));
  expect(() => qemuArgv({ ...args, config: { ...config, disks } })).toThrow(/17 disks/);
});

test("all sockets of the longest allowed folder fit into a socket address", () => {
  const {
    qmp,
    vhostUser,
    vsock,
    vsockDevice: device,
    migration,
  } = qemuPathsOf({ dir: `/${"d".repeat(79)}`, uid: 1 }, "/m");
  for (const path of [qmp, vhostUser, vsock, device, migration]) {
    expect(path.length).toBeLessThan(108);
  }
});
