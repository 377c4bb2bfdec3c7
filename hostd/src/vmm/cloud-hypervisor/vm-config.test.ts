import { expect, test } from "vitest";
import type { VmConfig } from "../vmm.ts";
import { MOST_BODY_BYTES } from "./api-client.ts";
import { chArgv } from "./argv.ts";
import { chPathsOf } from "./paths.ts";
import { type ChHost, chVmConfig } from "./vm-config.ts";

const config: VmConfig = {
  id: "k3xyz",
  dir: "/run/dnah/vm/7",
  uid: 0x2da0_0007,
  gid: 0x2da0_0007,
  vcpus: 2,
  maxVcpus: 4,
  memoryMib: 512,
  kernel: "/images/vmlinux",
  initramfs: "/images/initramfs.cpio",
  cmdline: ["dnah.root=/dev/vda"],
  disks: [
    { id: "root", path: "/vms/k3xyz/root.ext4", readonly: false },
    { id: "modules", path: "/images/modules.ext4", readonly: true },
  ],
  nets: [{ id: "eth0", tap: "sb0", mac: "02:00:00:00:00:01" }],
};
const paths = chPathsOf(config, "/data/cloud-hypervisor");
const host: ChHost = { architecture: "x86_64", landlock: true };
const text = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

test("a VM whose memory can be shared lies in a private zone of a file, and has no balloon", async () => {
  await expect(text(chVmConfig(config, paths, "cow-zone", host))).toMatchFileSnapshot("testdata/zone.json");
});

test("a VM whose memory is anonymous has a balloon", async () => {
  await expect(text(chVmConfig(config, paths, "copy", host))).toMatchFileSnapshot("testdata/plain.json");
  expect(chVmConfig(config, paths, "CopyOnWrite", host)).toEqual(chVmConfig(config, paths, "copy", host));
});

test("a VM without devices, on arm64, on a host without landlock", async () => {
  const { nets: _none, maxVcpus: _same, ...bare } = { ...config, disks: [] };
  const arm64 = { architecture: "aarch64", landlock: false } as const;
  await expect(text(chVmConfig(bare, paths, "cow-zone", arm64))).toMatchFileSnapshot("testdata/bare-arm64.json");
});

test("the command line has no VM on it", async () => {
  await expect(`${chArgv("/usr/bin/cloud-hypervisor", paths).join("\n")}\n`).toMatchFileSnapshot("testdata/argv.txt");
});

test("the largest VM there can be fits into one request", () => {
  const disks = Array.from({ length: 16 }, (_, n) => ({
    id: `d${n}`,
    path: `/${"p".repeat(250)}${n}`,
    readonly: true,
  }));
  const nets = Array.from({ length: 16 }, (_, n) => ({ id: `n${n}`, tap: `tap${n}`, mac: "02:00:00:00:00:01" }));
  const body = JSON.stringify(chVmConfig({ ...config, disks, nets }, paths, "cow-zone", host));
  expect(body.length).toBeLessThan(MOST_BODY_BYTES);
});

test("devices are named by us, and no name can be the VMM's own", () => {
  const { disks, net, memory, vsock } = chVmConfig(config, paths, "cow-zone", host);
  const ids = [...disks, ...(net ?? []), ...(memory.zones ?? []), vsock].map(({ id }) => id);
  expect(ids).toEqual(["disk-root", "disk-modules", "net-eth0", "mem0", "vsock0"]);
});
