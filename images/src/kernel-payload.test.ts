import { describe, expect, test } from "vitest";
import { findKernelPayload } from "./kernel-payload.ts";

/** A bzImage with two setup sectors and the payload at an offset behind them. */
function bzImage(magic: string, protocol = 0x20f): { image: Buffer; body: Buffer } {
  const body = Buffer.concat([Buffer.from(magic, "hex"), Buffer.from("compressed kernel")]);
  const image = Buffer.alloc(8192);
  image.writeUInt8(2, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(protocol, 0x206);
  image.writeUInt32LE(0x300, 0x248);
  image.writeUInt32LE(body.length + 4, 0x24c);
  body.copy(image, 3 * 512 + 0x300);
  return { image, body };
}

describe("the kernel is found in", () => {
  test.each([
    ["lz4", "02214c18"],
    ["xz", "fd377a585a00"],
    ["zstd", "28b52ffd"],
  ])("a bzImage with %s, without the appended size", (compression, magic) => {
    const { image, body } = bzImage(magic);
    expect(findKernelPayload(image)).toEqual({ compression, bytes: body });
  });
  test("an arm64 Image, as it is", () => {
    const image = Buffer.alloc(0x80);
    image.write("ARM\x64", 0x38, "latin1");
    expect(findKernelPayload(image)).toEqual({ compression: "none", bytes: image });
  });
  test("a gzipped Image, whole", () => {
    const image = Buffer.concat([Buffer.from("1f8b08", "hex"), Buffer.alloc(100)]);
    expect(findKernelPayload(image)).toEqual({ compression: "gzip", bytes: image });
  });
  test("an EFI zboot wrapper", () => {
    const image = Buffer.alloc(0x200);
    image.write("MZ\0\0zimg", 0, "latin1");
    image.writeUInt32LE(0x100, 8);
    image.writeUInt32LE(0x20, 12);
    image.write("28b52ffd", 0x100, "hex");
    expect(findKernelPayload(image)).toEqual({ compression: "zstd", bytes: image.subarray(0x100, 0x11c) });
  });
});

describe("a vmlinuz is refused when", () => {
  test("it is of no known format", () => {
    expect(() => findKernelPayload(Buffer.alloc(4096))).toThrow(/no kernel format known/);
  });
  test("its payload reaches past its end", () => {
    const { image } = bzImage("02214c18");
    image.writeUInt32LE(1 << 20, 0x24c);
    expect(() => findKernelPayload(image)).toThrow(/payload at/);
  });
  test("its boot protocol does not say where the payload is", () => {
    expect(() => findKernelPayload(bzImage("02214c18", 0x204).image)).toThrow(/too old/);
  });
});
