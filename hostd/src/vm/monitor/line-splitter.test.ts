import { describe, expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function linesOf(...chunks: (string | Buffer)[]): string[] {
  const splitter = new LineSplitter();
  return [...chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk as Buffer))), ...splitter.end()];
}

describe("lines", () => {
  test("come whole, wherever the chunks are cut", () => {
    expect(linesOf("a\nb", "c\n", "\n", "d")).toEqual(["a", "bc", "", "d"]);
    expect(linesOf("ä".repeat(3), Buffer.from([0xc3]), Buffer.from([0xa4, 0x0a]))).toEqual(["ääää"]);
  });

  test("of a terminal lose their carriage return", () => {
    expect(linesOf("a\r\nb\r", "\n")).toEqual(["a", "b"]);
  });

  test("over 4 KiB come in pieces, cut between characters", () => {
    const line = "é".repeat(5000);
    const pieces = linesOf(`x${line}\nend\n`);
    expect(pieces.join("")).toBe(`x${line}end`);
    expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(4096);
    expect(linesOf(`${"x".repeat(4096)}\ny\n`)).toEqual(["x".repeat(4096), "y"]);
  });

  test("that are no UTF-8 are bounded too", () => {
    const pieces = linesOf(Buffer.alloc(20_000, 0x80));
    expect(pieces.join("")).toBe("\ufffd".repeat(20_000));
    expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(4096);
  });
});
