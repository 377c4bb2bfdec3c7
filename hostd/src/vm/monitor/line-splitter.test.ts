import { describe, expect, test } from "vitest";
import { LineSplitter } from "./line-splitter.ts";

function linesOf(...chunks: (string | Buffer)[]): string[] {
  const splitter = new LineSplitter();
  const lines = [...chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk as Buffer))), ...splitter.end()];
  return lines.map(({ text }) => text);
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

  test("tell where they end, also where they are cut back into what came before", () => {
    const splitter = new LineSplitter();
    expect(splitter.push(Buffer.from("a\nb"), 10n)).toEqual([{ text: "a", end: 12n }]);
    expect(splitter.unfinished).toBe(12n);
    expect(splitter.push(Buffer.from("c\nd\n"), 50n)).toEqual([
      { text: "bc", end: 52n },
      { text: "d", end: 54n },
    ]);
    expect(splitter.unfinished).toBe(undefined);
    const long = Buffer.from(`${"x".repeat(4095)}é`);
    expect(splitter.push(long.subarray(0, 4096), 100n)).toEqual([]);
    expect(splitter.push(long.subarray(4096), 9_000n)).toEqual([{ text: "x".repeat(4095), end: 4195n }]);
    expect([splitter.unfinished, splitter.end()]).toEqual([4195n, [{ text: "é", end: 9_001n }]]);
  });

  test("are the same for whoever begins after any of them", () => {
    const bytes = Buffer.from(`${"é\r".repeat(3000)}\r\n\n${"\ufffd".repeat(9)}`);
    bytes.fill(0xc3, 6000, 8000);
    const whole = new LineSplitter();
    const lines = [...whole.push(bytes), ...whole.end()];
    expect(lines.length).toBeGreaterThan(4);
    for (const [at, { end }] of lines.entries()) {
      const later = new LineSplitter();
      const rest = [...later.push(bytes.subarray(Number(end)), end), ...later.end()];
      expect(rest).toEqual(lines.slice(at + 1));
    }
  });

  test("that are no UTF-8 are bounded too", () => {
    const pieces = linesOf(Buffer.alloc(20_000, 0x80));
    expect(pieces.join("")).toBe("\ufffd".repeat(20_000));
    expect(Math.max(...pieces.map((piece) => Buffer.byteLength(piece)))).toBeLessThanOrEqual(4096);
  });
});
