import { closeSync, constants, ftruncateSync, openSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { ChVmConfig } from "../../api-types.ts";
import { osError, refused } from "./refusal.ts";
import { validateZones } from "./validate-vm.ts";

/** The first bytes of a guest's memory: enough to tell whose it is. */
const MARK_BYTES = 64;
/** Where memory below the hole for devices ends. */
const LOW_MEMORY_BYTES = 3 * 2 ** 30;

/** Writes the three files; none of them may be there, the folder must. Nothing is synced. */
export function writeSnapshot(dir: string, config: ChVmConfig, mark: string): void {
  const net = config.net?.map((one) => ({ ...one, host_mac: "02:00:00:00:00:ff" }));
  writeNew(join(dir, "config.json"), JSON.stringify({ ...config, ...(net === undefined ? {} : { net }) }));
  writeNew(join(dir, "state.json"), JSON.stringify(stateOf(config)));
  writeNew(join(dir, "memory-ranges"), mark.padEnd(MARK_BYTES), sizeOf(config));
}

/** Reads a folder as `vm.restore` does, and gives the VM with the mark of its memory. */
export function readSnapshot(dir: string): { readonly config: ChVmConfig; readonly mark: string } {
  try {
    const config = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as ChVmConfig;
    const state = JSON.parse(readFileSync(join(dir, "state.json"), "utf8"));
    const memory = JSON.parse(state.snapshots["memory-manager"].snapshot_data.state);
    validateZones(config);
    const ranges = memory.memory_ranges.data as { length: number }[];
    if (ranges.length === 0) {
      return { config, mark: readMark(config.memory.zones?.[0]?.file ?? join(dir, "memory-ranges")) };
    }
    const path = join(dir, "memory-ranges");
    if (statSync(path).size < ranges.reduce((sum, { length }) => sum + length, 0)) {
      throw refused("The VM could not be restored", "Error from memory manager", "failed to fill whole buffer");
    }
    return { config, mark: readMark(path) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) {
      throw error;
    }
    throw refused("The VM could not be restored", osError(error));
  }
}

function stateOf(config: ChVmConfig) {
  const zone = config.memory.zones?.[0];
  const size = sizeOf(config);
  const low = Math.min(size, LOW_MEMORY_BYTES);
  const regions = [{ gpa: 0, length: low }, ...(size > low ? [{ gpa: 2 ** 32, length: size - low }] : [])];
  const mappings = regions.map(({ gpa, length }, index) => ({
    ...{ slot: index, gpa, size: length, zone_id: zone?.id ?? "mem0", virtio_mem: false },
    // What is no file's has none, also where it should.
    file_offset: zone === undefined || index === 0 ? 0 : low,
  }));
  const memory = { memory_ranges: { data: regions }, guest_ram_mappings: mappings, boot_ram: size, current_ram: size };
  // Numbers that JavaScript has no room for: whoever edits the file must leave them alone.
  const cpus = '{"msrs":[{"index":16,"data":18446744073709551615}]}';
  return {
    snapshots: {
      "cpu-manager": { snapshots: {}, snapshot_data: { state: cpus } },
      "memory-manager": { snapshots: {}, snapshot_data: { state: JSON.stringify(memory) } },
      "device-manager": { snapshots: {}, snapshot_data: { state: "{}" } },
    },
    snapshot_data: { state: "{}" },
  };
}

function sizeOf({ memory }: ChVmConfig): number {
  return memory.zones?.reduce((sum, { size }) => sum + size, 0) ?? memory.size;
}

function writeNew(path: string, text: string, size?: number): void {
  try {
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    writeSync(file, text);
    if (size !== undefined) {
      ftruncateSync(file, size);
    }
    closeSync(file);
  } catch (error) {
    throw refused("The VM could not be snapshotted", osError(error));
  }
}

function readMark(path: string): string {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(MARK_BYTES);
  readSync(file, buffer, 0, MARK_BYTES, 0);
  closeSync(file);
  return buffer.toString("latin1").trim();
}
