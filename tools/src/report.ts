/** Counts what passed, failed and was skipped over all runners, and prints it in one form. */
import { readFileSync, rmSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { root } from "./setup/setup.ts";

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
  /** What the list at the end names. */
  failures: Failure[];
}

export interface Failure {
  readonly part: string;
  /** With its file, where that is known. */
  readonly name: string;
  readonly message: string;
}

/** How a runner ended. */
export interface Run {
  readonly output: string;
  readonly exitCode: number;
}

/** What vitest's JSON reporter writes, as far as it is read here. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
  readonly testResults: readonly VitestFile[];
}

interface VitestFile {
  readonly name: string;
  readonly status: string;
  /** Of the file itself, or a hook of it. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages: readonly string[];
  }[];
}

/** A file that could not be loaded, an error that nobody caught, and a run that failed without either are a failure each. */
export function vitestTotals(part: string, file: string, { output, exitCode }: Run): Totals {
  let report: VitestReport | undefined;
  try {
    report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
    rmSync(file);
  } catch {
    // It did not get that far.
  }
  const failures = [
    ...(report?.testResults ?? []).flatMap(failuresOf),
    ...stripVTControlCharacters(output)
      .matchAll(/^⎯+ ((?:Uncaught|Unhandled) \w+) ⎯+\n(.+)$/gm)
      .map(([, name = "", message = ""]) => ({ name, message })),
  ].map((failure) => ({ part, ...failure }));
  if (failures.length === 0 && (exitCode !== 0 || !report?.success)) {
    const message = `${report ? "no test failed, but it" : "it left no report, and"} ended with code ${exitCode}`;
    failures.push({ part, name: "vitest", message });
  }
  return {
    passed: report?.numPassedTests ?? 0,
    failed: failures.length,
    skipped: report ? report.numPendingTests + report.numTodoTests : 0,
    failures,
  };
}

function failuresOf({ name, status, message, assertionResults }: VitestFile): Omit<Failure, "part">[] {
  const file = relative(root, name);
  const tests = assertionResults
    .filter((test) => test.status === "failed")
    .map(({ fullName, failureMessages }) => ({ name: `${file} > ${fullName}`, message: failureMessages[0] ?? "" }));
  if (message !== "") return [...tests, { name: file, message }];
  return tests.length === 0 && status === "failed" ? [{ name: file, message: "a hook of its tests failed" }] : tests;
}

/** Reads cargo's `test result: ok. 3 passed; 0 failed; 1 ignored; ...` lines, and what each failed test said. */
export function cargoTotals(part: string, { output, exitCode }: Run): Totals {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    totals.passed += Number(passed);
    totals.failed += Number(failed);
    totals.skipped += Number(ignored);
  }
  const failures = [...output.matchAll(/^---- (\S+)[^\n]* stdout ----\n(.*?)(?=^---- |^failures:$)/gms)].map(
    ([, test = "", said = ""]) => {
      const [, file, message] = / panicked at (.+?):\d+:\d+:\n(.*)/.exec(said) ?? [];
      return { part, name: file === undefined ? test : `${file} > ${test}`, message: message ?? said };
    },
  );
  if (exitCode !== 0 && totals.failed === 0) {
    totals.failed = 1;
    failures.push({ part, name: "cargo", message: firstError(output) });
  }
  return { ...totals, failures };
}

/** A line of a compiler's, after those that say what it does; else all that was said. */
export function firstError(output: string): string {
  return /^error.*$/m.exec(stripVTControlCharacters(output))?.[0] ?? output;
}

export function addTotals(into: Totals, more: Totals): void {
  into.passed += more.passed;
  into.failed += more.failed;
  into.skipped += more.skipped;
  into.failures.push(...more.failures);
}

const listed = 20;

/** Right above the closing line, since of a long output only the end may be kept. Empty where nothing failed. */
export function failureLines(failures: readonly Failure[]): readonly string[] {
  if (failures.length === 0) return [];
  const more = failures.length - listed;
  return [
    "What failed:",
    ...failures.slice(0, listed).flatMap(({ part, name, message }) => [`  ${part}: ${name}`, `    ${headOf(message)}`]),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function headOf(message: string): string {
  const lines = stripVTControlCharacters(message).split("\n");
  return (lines.find((line) => line.trim() !== "") ?? "").trim().slice(0, 200);
}

/** The plain closing line. */
export function closingLine({ passed, failed, skipped }: Omit<Totals, "failures">): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
