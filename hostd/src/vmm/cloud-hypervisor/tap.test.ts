import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tapLack } from "./tap.ts";

const uid = 0x2da0_0007;

/** As sysfs shows it. */
async function sysfsWith(files: Readonly<Record<string, string>>): Promise<string> {
  const sysfs = await mkdtemp("/tmp/dnah-sysfs-");
  onTestFinished(() => rm(sysfs, { recursive: true }));
  await mkdir(join(sysfs, "sb0"));
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(sysfs, "sb0", name), `${text}\n`);
  }
  return sysfs;
}

test.each([
  ["a persistent TAP of the VM's", { tun_flags: "0x5802", owner: `${uid}`, carrier: "0" }, undefined],
  ["one that somebody holds", { tun_flags: "0x5802", owner: `${uid}`, carrier: "1" }, /in use/],
  ["another user's", { tun_flags: "0x5802", owner: "0" }, /belongs to uid 0, its VM runs as/],
  ["one that ends with its maker", { tun_flags: "0x5002", owner: `${uid}` }, /no persistent TAP/],
  ["a TUN device", { tun_flags: "0x5801", owner: `${uid}` }, /no persistent TAP/],
  ["one without vnet_hdr", { tun_flags: "0x1802", owner: `${uid}` }, /vnet_hdr/],
  ["one for many queues", { tun_flags: "0x5902", owner: `${uid}` }, /multi_queue/],
  ["a device of another kind", {}, /no TAP device/],
])("%s", async (_what, files, lack) => {
  const found = await tapLack("sb0", uid, await sysfsWith(files));
  if (lack === undefined) {
    expect(found).toBeUndefined();
  } else {
    expect(found).toMatch(lack);
  }
});

test("a name that leads elsewhere is none", async () => {
  expect(await tapLack("../../etc", uid)).toMatch(/no name/);
});
