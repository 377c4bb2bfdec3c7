/** The rows of the report: each path with its percentiles beside its floor. */
import { percentilesOf } from "./percentiles.ts";

export interface Row {
  readonly path: string;
  /** What was measured, in the unit of its table. */
  readonly values: readonly number[];
  /** What it can't beat, measured in the same run; absent for a floor or a stage itself. */
  readonly floor?: number;
}

export interface Table {
  /** "ms" (the floor is what is left when all of ours is gone) or "MiB/s" (the floor is what the bare way carries). */
  readonly unit: "ms" | "MiB/s" | "MiB";
  readonly rows: readonly Row[];
}

export const p50 = (values: readonly number[]): number => percentilesOf(values).p50;

export function jsonOf(tables: readonly Table[]): string {
  const rows = tables.flatMap(({ unit, rows }) =>
    rows.map(({ path, values, floor }) => ({ path: path.trim(), unit, ...percentilesOf(values), floor })),
  );
  return JSON.stringify(rows);
}

export function textOf(tables: readonly Table[]): string {
  const width = Math.max(...tables.flatMap(({ rows }) => rows.map(({ path }) => path.length)));
  return tables.map((table) => tableText(table, width)).join("\n\n");
}

function tableText({ unit, rows }: Table, width: number): string {
  const last = { ms: "ours", "MiB/s": "of it", MiB: "" }[unit];
  const head = ["P50", "P95", "floor", last].map((title) => title.padStart(10)).join("");
  const lines = rows.map(({ path, values, floor }) => {
    const { p50: middle, p95, count } = percentilesOf(values);
    const cells = [cell(middle), cell(p95), cell(floor), comparison(unit, middle, floor)].map((text) =>
      text.padStart(10),
    );
    return `${path.padEnd(width)}${cells.join("")}${String(count).padStart(7)}`;
  });
  return [`${unit.padEnd(width)}${head}      n`, ...lines].join("\n");
}

/** Of times what is ours above the floor, of rates which share of the bare way's. */
function comparison(unit: Table["unit"], value: number, floor: number | undefined): string {
  if (floor === undefined) return "";
  return unit === "ms" ? cell(value - floor) : `${Math.round((100 * value) / floor)} %`;
}

function cell(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(Math.abs(value) < 100 ? 2 : 0);
}
