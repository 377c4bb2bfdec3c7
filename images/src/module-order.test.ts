import { expect, test } from "vitest";
import { orderModules } from "./module-order.ts";

const dep = `kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko kernel/lib/crc16.ko
kernel/fs/jbd2/jbd2.ko:
kernel/fs/mbcache.ko:
kernel/lib/crc16.ko:
kernel/net/vmw_vsock/vsock.ko.xz:
kernel/drivers/block/virtio-blk.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio.ko:
`;

test("modules come in the order asked, each after its dependencies and only once", () => {
  expect(orderModules(["virtio", "virtio_blk", "vsock", "ext4"], dep, "")).toEqual([
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/block/virtio-blk.ko",
    "kernel/net/vmw_vsock/vsock.ko.xz",
    "kernel/lib/crc16.ko",
    "kernel/fs/mbcache.ko",
    "kernel/fs/jbd2/jbd2.ko",
    "kernel/fs/ext4/ext4.ko",
  ]);
});

test("what is built into the kernel is left out", () => {
  expect(orderModules(["ext4", "vsock"], dep, "kernel/fs/ext4/ext4.ko\n")).toEqual([
    "kernel/net/vmw_vsock/vsock.ko.xz",
  ]);
});

test("a module the kernel lacks is an error that names it", () => {
  expect(() => orderModules(["vhost_vsock"], dep, "")).toThrow(/no module vhost_vsock/);
});
