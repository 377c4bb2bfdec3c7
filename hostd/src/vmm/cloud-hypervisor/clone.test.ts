import { describe, expect, test } from "vitest";
import type { VmConfig } from "../vmm.ts";
import { cloneConfig, readSnapshotConfig } from "./clone-config.ts";
import { withoutMemoryRanges } from "./clone-state.ts";
import { manifestOf } from "./manifest.ts";
import { chPathsOf } from "./paths.ts";
import { type ChHost, chVmConfig } from "./vm-config.ts";

const host: ChHost = { architecture: "x86_64", landlock: true };
const vm = (slot: number): VmConfig => ({
  ...{ id: `s${slot}`, dir: `/run/vm/${slot}`, uid: 0x20000 + slot, gid: 0x20000 + slot, vcpus: 1, memoryMib: 512 },
  ...{ kernel: "/k", initramfs: "/i", cmdline: ["dnah.root=/dev/vda"] },
  disks: [{ id: "root", path: `/vms/${slot}.raw`, readonly: false }],
  nets: [{ id: "eth0", tap: `sb${slot}`, mac: `02:00:00:00:00:0${slot}` }],
});
const pathsOf = (config: VmConfig) => chPathsOf(config, "/state");
const parent = vm(1);
const child = vm(2);

/** As v53 writes it: defaults and the TAP's address filled in. */
const written = (strategy: "cow-zone" | "copy" = "cow-zone") => {
  const config = chVmConfig(parent, pathsOf(parent), strategy, host);
  const net = config.net?.map((one) => ({
    ...one,
    host_mac: "aa:bb:cc:dd:ee:ff",
    mtu: 1500,
    ip: "10.0.0.1",
    mask: "8",
  }));
  return { ...config, net, rng: { src: "/dev/urandom" }, fs: null, pmem: [] };
};

describe("the config of a VM that is restored", () => {
  test("is the snapshot's in the places of the new one", () => {
    const snapshot = readSnapshotConfig(JSON.stringify(written()));
    const clone = cloneConfig(snapshot, child, pathsOf(child), host);
    expect(clone.disks).toMatchObject([{ id: "disk-root", path: "/vms/2.raw", num_queues: 1, serial: "root" }]);
    expect(clone.net).toEqual([
      { id: "net-eth0", tap: "sb2", mac: "02:00:00:00:00:01", num_queues: 2, queue_size: 256 },
    ]);
    expect(clone.vsock).toEqual({ id: "vsock0", cid: 3, socket: "/run/vm/2/own/v" });
    expect(clone.console).toEqual({ mode: "File", file: "/run/vm/2/own/console" });
    expect(clone.memory).toMatchObject({
      size: 0,
      zones: [{ id: "mem0", file: "/state/131074/memory", shared: false }],
    });
    expect(clone.payload).toEqual({ kernel: "/k", cmdline: expect.any(String) });
    expect(clone.landlock_rules).toContainEqual({ path: "/state/131074", access: "rw" });
    expect(JSON.stringify(clone)).not.toMatch(/host_mac|\/run\/vm\/1\/|131073/);
    expect(clone).toHaveProperty("rng");
  });

  test("has no landlock where the host has none, whatever the snapshot says", () => {
    const clone = cloneConfig(readSnapshotConfig(JSON.stringify(written())), child, pathsOf(child), {
      ...host,
      landlock: false,
    });
    expect(clone.landlock_enable).toBe(false);
    expect(clone).not.toHaveProperty("landlock_rules");
  });

  test("is refused where the devices are others, or are none that we give", () => {
    const snapshot = readSnapshotConfig(JSON.stringify(written()));
    const other = { ...child, disks: [{ id: "data", path: "/d", readonly: false }] };
    expect(() => cloneConfig(snapshot, other, pathsOf(child), host)).toThrow(/disk-root, this one disk-data/);
    expect(() => cloneConfig(snapshot, { ...child, disks: [] }, pathsOf(child), host)).toThrow(/this one/);
    for (const key of ["fs", "devices", "pmem", "vdpa", "tpm", "user_devices", "generic_vhost_user"]) {
      expect(() => readSnapshotConfig(JSON.stringify({ ...written(), [key]: [{}] }))).toThrow(key);
    }
    const shared = written();
    const zones = shared.memory.zones?.map((zone) => ({ ...zone, shared: true }));
    const text = JSON.stringify({ ...shared, memory: { ...shared.memory, zones } });
    expect(() => cloneConfig(readSnapshotConfig(text), child, pathsOf(child), host)).toThrow(/private zone/);
  });

  test("binds what the snapshot's own config binds, wherever it lies", () => {
    const of = (config: VmConfig, strategy: "cow-zone" | "copy") =>
      manifestOf("ch", "v53.0", "cpu", chVmConfig(config, pathsOf(config), strategy, host));
    expect(manifestOf("ch", "v53.0", "cpu", readSnapshotConfig(JSON.stringify(written())))).toEqual(of(child, "copy"));
    expect(of(child, "cow-zone")).toEqual(of(child, "copy"));
    expect(of({ ...child, vcpus: 2 }, "copy")).not.toEqual(of(child, "copy"));
  });
});

describe("the state of a VM whose memory is mapped", () => {
  const gib = 2 ** 30;
  const low = 3 * gib;
  const size = 4 * gib;
  const mapping = (gpa: number, bytes: number, file_offset: number, zone_id = "mem0") => ({
    ...{ slot: 0, gpa, size: bytes, zone_id, virtio_mem: false, file_offset },
  });
  const state = (
    mappings: object[],
    ranges = [
      { gpa: 0, length: low },
      { gpa: size, length: gib },
    ],
  ) => {
    const memory = { memory_ranges: { data: ranges }, guest_ram_mappings: mappings, start_of_device_area: 2 ** 52 };
    const cpus = '{"msr":18446744073709551615}';
    const node = (text: string) => ({ snapshots: {}, snapshot_data: { state: text } });
    const snapshots = { "cpu-manager": node(cpus), "memory-manager": node(JSON.stringify(memory)) };
    return JSON.stringify({ snapshots, snapshot_data: { state: "{}" } });
  };
  const sound = [mapping(0, low, 0), mapping(size, gib, low)];

  test("has no ranges to fill, and is the same otherwise", () => {
    const edited = JSON.parse(withoutMemoryRanges(state(sound), size));
    const memory = JSON.parse(edited.snapshots["memory-manager"].snapshot_data.state);
    expect(memory).toEqual({
      ...{ memory_ranges: { data: [] }, guest_ram_mappings: sound, start_of_device_area: 2 ** 52 },
    });
    // Not a number that JavaScript would have rounded.
    expect(edited.snapshots["cpu-manager"].snapshot_data.state).toBe('{"msr":18446744073709551615}');
  });

  test.each([
    ["offsets that anonymous memory has", [mapping(0, low, 0), mapping(size, gib, 0)], size, /at 0, not mem0 at/],
    ["another zone", [mapping(0, size, 0, "mem1")], size, /zone mem1/],
    ["a file that is too short", sound, size - 4096, /mapped/],
    ["memory that was not written", [mapping(0, low, 0)], low, /written/],
  ])("is refused with %s", (_what, mappings, bytes, why) => {
    expect(() => withoutMemoryRanges(state(mappings), bytes)).toThrow(why);
  });

  test("is refused where it is something else", () => {
    expect(() => withoutMemoryRanges('{"snapshots":{}}', 1)).toThrow(/no memory manager/);
  });
});
