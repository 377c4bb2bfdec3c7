import { expect, test } from "vitest";
import { initramfsEntries } from "./initramfs.ts";

test("the initramfs lists its modules in load order beside them", () => {
  const entries = initramfsEntries(Buffer.from("agent"), [
    { name: "000-virtio.ko", bytes: Buffer.from("v") },
    { name: "001-vsock.ko", bytes: Buffer.from("s") },
  ]);
  const order = entries.find((entry) => entry.path === "modules/order");
  expect(order).toMatchObject({ t: "file", bytes: Buffer.from("000-virtio.ko\n001-vsock.ko\n") });
  expect(entries.map((entry) => entry.path)).toEqual([
    "dev",
    "dev/console",
    "dev/null",
    "proc",
    "sys",
    "newroot",
    "modules",
    "modules/order",
    "modules/000-virtio.ko",
    "modules/001-vsock.ko",
    "init",
  ]);
});
