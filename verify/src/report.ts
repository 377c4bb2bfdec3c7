/** The rows of the report: each path with its percentiles beside its floor and its budget. */
import { percentilesOf } from "./percentiles.ts";

export interface Row {
  readonly path: string;
  /** What was measured, in the unit of its table. */
  readonly values: readonly number[];
  /** What it can't beat, measured in the same run; absent for a floor or a stage itself. */
  readonly floor?: number;
  /** What the design asks for on a host with KVM. */
  readonly budget?: string;
}

export interface Table {
  /** "ms" (the floor is what is left when all of ours is gone) or "MiB/s" (the floor is what the bare way carries). */
  readonly unit: "ms" | "MiB/s" | "MiB";
  readonly rows: readonly Row[];
}

export const p50 = (values: readonly number[]): number => percentilesOf(values).p50;

export function jsonOf(tables: readonly Table[]): string {
  const rows = tables.flatMap(({ unit, rows }) =>
    rows.map(({ path, values, floor, budget }) => ({ path, unit, ...percentilesOf(values), floor, budget })),
  );
  return JSON.stringify(rows);
}

/** Markdown, for docs/performance.md. */
export function textOf(tables: readonly Table[]): string {
  return tables.map(tableText).join("\n\n");
}

function tableText({ unit, rows }: Table): string {
  const head = [unit, "P50", "P95", "floor", { ms: "ours", "MiB/s": "of it", MiB: "over" }[unit], "budget", "n"];
  const lines = rows.map(({ path, values, floor, budget = "" }) => {
    const { p50: middle, p95, count } = percentilesOf(values);
    return [path, cell(middle), cell(p95), cell(floor), comparison(unit, middle, floor), budget, String(count)];
  });
  const used = head.map((_, column) => column < 2 || lines.some((line) => line[column] !== ""));
  const grid = [head, ...lines].map((line) => line.filter((_, column) => used[column]));
  const widths = (grid[0] ?? []).map((_, column) => Math.max(...grid.map((line) => (line[column] ?? "").length)));
  const drawn = grid.map((line) => `| ${line.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  return [drawn[0], `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...drawn.slice(1)].join("\n");
}

/** What is ours above the floor; of rates which share of the bare way's. */
function comparison(unit: Table["unit"], value: number, floor: number | undefined): string {
  if (floor === undefined) return "";
  return unit === "MiB/s" ? `${Math.round((100 * value) / floor)} %` : cell(value - floor);
}

function cell(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}
