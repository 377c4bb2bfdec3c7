import { expect, test } from "vitest";
import { textOf } from "./report.ts";

test("a table is Markdown, with what is ours above the floor, and without columns that nobody fills", () => {
  const rows = [
    { path: "floor", values: [10, 10, 10] },
    { path: "create", values: [12, 13, 14.5], floor: 10, budget: "ours ≤ 2" },
  ];
  expect(textOf([{ unit: "ms", rows }])).toBe(
    [
      "| ms     | P50  | P95  | floor | ours | budget   | n |",
      "| ------ | ---- | ---- | ----- | ---- | -------- | - |",
      "| floor  | 10.0 | 10.0 |       |      |          | 3 |",
      "| create | 13.0 | 14.5 | 10.0  | 3.00 | ours ≤ 2 | 3 |",
    ].join("\n"),
  );
  expect(textOf([{ unit: "MiB/s", rows: [{ path: "in", values: [30], floor: 40 }] }])).toContain(
    "| 40.0  | 75 %  | 1 |",
  );
});
