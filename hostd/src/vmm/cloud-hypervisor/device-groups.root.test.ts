import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { groupsFor } from "./device-groups.ts";

const kvmGid = 54_321;

async function devices(kvm: readonly [mode: number, gid: number], tun: readonly [mode: number, gid: number]) {
  const folder = await mkdtemp("/tmp/dnah-devices-");
  onTestFinished(() => rm(folder, { recursive: true }));
  const make = async (name: string, [mode, gid]: readonly [number, number]) => {
    const path = join(folder, name);
    await writeFile(path, "");
    await chown(path, 0, gid);
    await chmod(path, mode);
    return path;
  };
  return { kvm: await make("kvm", kvm), tun: await make("tun", tun) };
}

test("a VM's user is in the group of a device that does not open for all, and in no other", async () => {
  const host = await devices([0o660, kvmGid], [0o666, 0]);
  expect(await groupsFor({}, host)).toEqual([kvmGid]);
  expect(await groupsFor({ nets: [] }, host)).toEqual([kvmGid]);
  expect(await groupsFor({}, await devices([0o666, 0], [0o600, 0]))).toEqual([]);
});

test("a device of root's is refused with the way out, where the VM needs it", async () => {
  await expect(groupsFor({}, await devices([0o660, 0], [0o666, 0]))).rejects.toThrow(
    /kvm opens for root alone: groupadd/,
  );
  await expect(groupsFor({ nets: [] }, await devices([0o666, 0], [0o600, 0]))).rejects.toThrow(/chmod 660 .*\/tun/);
});
