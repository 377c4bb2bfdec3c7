import { BuildError } from "./build-error.ts";

export type Compression = "none" | "gzip" | "lz4" | "xz" | "zstd";

export type KernelPayload = { readonly compression: Compression; readonly bytes: Buffer };

/**
 * Finds the kernel proper inside what a distribution packages as `vmlinuz`.
 * - x86-64: a bzImage; its header says where the compressed ELF `vmlinux` is. Uncompressed it boots by PVH: no real mode,
 *   and no decompressor, which under emulation would take most of a second.
 * - arm64: the bare `Image`, the same gzipped, or an EFI "zboot" wrapper around it.
 */
export function findKernelPayload(vmlinuz: Buffer): KernelPayload {
  if (vmlinuz.length > 0x250 && vmlinuz.toString("latin1", 0x202, 0x206) === "HdrS") return bzImagePayload(vmlinuz);
  if (isArm64Image(vmlinuz)) return { compression: "none", bytes: vmlinuz };
  if (vmlinuz.length > 0x40 && vmlinuz.toString("latin1", 4, 8) === "zimg") {
    const start = vmlinuz.readUInt32LE(8);
    return payloadAt(vmlinuz, start, vmlinuz.readUInt32LE(12));
  }
  if (compressionOf(vmlinuz) !== undefined) return payloadAt(vmlinuz, 0, vmlinuz.length);
  throw new BuildError("the package's vmlinuz is no kernel format known here (bzImage, arm64 Image, gzip, EFI zboot)");
}

function bzImagePayload(image: Buffer): KernelPayload {
  const protocol = image.readUInt16LE(0x206);
  if (protocol < 0x208)
    throw new BuildError(
      `the kernel's boot protocol 0x${protocol.toString(16)} is too old to say where its payload is`,
    );
  const setupSectors = image.readUInt8(0x1f1) || 4; // Zero means four, for the sake of loaders from the nineties.
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  return payloadAt(image, start, image.readUInt32LE(0x24c));
}

function payloadAt(image: Buffer, start: number, length: number): KernelPayload {
  const bytes = image.subarray(start, start + length);
  const compression = bytes.length === length ? compressionOf(bytes) : undefined;
  if (compression === undefined)
    throw new BuildError(`the kernel's payload at ${start} is neither gzip, lz4, xz nor zstd`);
  // The build appends the uncompressed size, four bytes, to every format but gzip, which has it already; decompressors
  // would take it for the start of another frame.
  return { compression, bytes: compression === "gzip" ? bytes : bytes.subarray(0, -4) };
}

const magics: readonly (readonly [Compression, string])[] = [
  ["gzip", "1f8b08"],
  ["lz4", "02214c18"], // The legacy frame: the one the kernel's own decompressor reads.
  ["xz", "fd377a585a00"],
  ["zstd", "28b52ffd"],
];

export function compressionOf(bytes: Buffer): Compression | undefined {
  return magics.find(([, magic]) => bytes.subarray(0, magic.length / 2).toString("hex") === magic)?.[0];
}

export function isArm64Image(bytes: Buffer): boolean {
  return bytes.length > 0x40 && bytes.toString("latin1", 0x38, 0x3c) === "ARM\x64";
}

export function isElf(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).toString("latin1") === "\x7fELF";
}
