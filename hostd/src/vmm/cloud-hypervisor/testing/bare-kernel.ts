/** Where the kernel counts, in the guest's memory: 32 bits, little endian. */
export const COUNTER_ADDRESS = 0x20_0000;

const LOAD_ADDRESS = 0x10_0000;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** From Xen's elfnote.h: where a kernel is entered in 32-bit protected mode, without a boot loader. */
const XEN_ELFNOTE_PHYS32_ENTRY = 18;

const CODE = Buffer.from([
  ...[0xff, 0x05, 0x00, 0x00, 0x20, 0x00], // loop: incl (0x200000)
  ...[0xf3, 0x90], // pause
  ...[0xeb, 0xf6], // jmp loop
]);

/**
 * A kernel that counts in memory and does nothing else, as an ELF file with a PVH note: for hosts whose KVM runs no stock
 * kernel. It needs no device, no interrupt and no paging, and what it counted tells whether memory went on where it was.
 */
export function bareKernel(): Buffer {
  const note = pvhNote(LOAD_ADDRESS);
  const noteOffset = HEADER_BYTES + 2 * SEGMENT_BYTES;
  const codeOffset = 0x1000;
  const file = Buffer.alloc(codeOffset + CODE.length);
  elfHeader(LOAD_ADDRESS).copy(file);
  segment(PT_LOAD, codeOffset, LOAD_ADDRESS, CODE.length, 0x1000).copy(file, HEADER_BYTES);
  segment(PT_NOTE, noteOffset, 0, note.length, 4).copy(file, HEADER_BYTES + SEGMENT_BYTES);
  note.copy(file, noteOffset);
  CODE.copy(file, codeOffset);
  return file;
}

function elfHeader(entry: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write("\x7fELF\x02\x01\x01", "latin1"); // 64 bits, little endian, version 1
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(entry), 24);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // segments follow at once
  header.writeUInt16LE(HEADER_BYTES, 52);
  header.writeUInt16LE(SEGMENT_BYTES, 54);
  header.writeUInt16LE(2, 56);
  header.writeUInt16LE(64, 58); // section headers: none
  return header;
}

function segment(type: number, offset: number, address: number, size: number, align: number): Buffer {
  const header = Buffer.alloc(SEGMENT_BYTES);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(7, 4); // readable, writable, executable
  for (const [at, value] of [
    [8, offset],
    [16, address],
    [24, address],
    [32, size],
    [40, size],
    [48, align],
  ] as const) {
    header.writeBigUInt64LE(BigInt(value), at);
  }
  return header;
}

function pvhNote(entry: number): Buffer {
  const note = Buffer.alloc(20);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(4, 4);
  note.writeUInt32LE(XEN_ELFNOTE_PHYS32_ENTRY, 8);
  note.write("Xen\0", 12, "latin1");
  note.writeUInt32LE(entry, 16);
  return note;
}
