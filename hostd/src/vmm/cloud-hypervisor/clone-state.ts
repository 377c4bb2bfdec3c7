import { MEMORY_ID } from "./vm-config.ts";

interface Node {
  readonly snapshots: Record<string, Node>;
  readonly snapshot_data?: { readonly state: string };
}

interface MemoryState {
  readonly memory_ranges: { readonly data: readonly { readonly gpa: number; readonly length: number }[] };
  readonly guest_ram_mappings: readonly {
    readonly gpa: number;
    readonly size: number;
    readonly zone_id: string;
    readonly file_offset: number;
  }[];
}

const MANAGER = "memory-manager";

/**
 * The `state.json` of a VM whose memory zone is mapped onto the snapshot's memory file: with no ranges to fill, the VMM
 * reads none, and every page comes from the mapping. Refused where the file is not laid out as the mappings say, since
 * the guest would find other memory than it left.
 *
 * States are JSON inside strings. Only this one is opened: others hold numbers that JavaScript would round.
 */
export function withoutMemoryRanges(text: string, memoryBytes: number): string {
  const root = JSON.parse(text) as Node;
  const manager = root.snapshots?.[MANAGER];
  if (manager?.snapshot_data === undefined) {
    throw new Error("the snapshot's state has no memory manager");
  }
  const memory = JSON.parse(manager.snapshot_data.state) as MemoryState;
  requireLayout(memory, memoryBytes);
  const state = JSON.stringify({ ...memory, memory_ranges: { ...memory.memory_ranges, data: [] } });
  const edited: Node = { ...manager, snapshot_data: { ...manager.snapshot_data, state } };
  return JSON.stringify({ ...root, snapshots: { ...root.snapshots, [MANAGER]: edited } });
}

function requireLayout({ memory_ranges, guest_ram_mappings }: MemoryState, memoryBytes: number): void {
  let offset = 0;
  for (const { zone_id, file_offset, size, gpa } of guest_ram_mappings) {
    // The regions follow one another in the file, whatever holes there are between them for the guest.
    if (zone_id !== MEMORY_ID || file_offset !== offset) {
      throw new Error(
        `the snapshot's memory at ${gpa} is in zone ${zone_id} at ${file_offset}, not ${MEMORY_ID} at ${offset}`,
      );
    }
    offset += size;
  }
  const written = memory_ranges.data.reduce((sum, { length }) => sum + length, 0);
  // A mapping past the end of its file is refused by the VMM, and one that shrinks later kills it.
  if (offset !== memoryBytes || written !== memoryBytes) {
    throw new Error(`the snapshot's memory file has ${memoryBytes} bytes, for ${offset} mapped and ${written} written`);
  }
}
