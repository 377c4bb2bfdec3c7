import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cargoTotals, closingLine, failureLines, vitestTotals } from "./report.ts";
import { root } from "./setup/setup.ts";

const report = (over: object) => {
  const file = join(mkdtempSync(join(tmpdir(), "dnah-report-")), "report.json");
  const whole = { numPassedTests: 3, numPendingTests: 1, numTodoTests: 0, success: true, testResults: [] };
  writeFileSync(file, JSON.stringify({ ...whole, ...over }));
  return file;
};

const green = { output: "", exitCode: 0 };
const red = { output: "", exitCode: 1 };

test("a green run of vitest is counted", () => {
  expect(vitestTotals("unit", report({}), green)).toEqual({ passed: 3, failed: 0, skipped: 1, failures: [] });
});

test("a run that fails without a failed test is a failure", () => {
  expect(vitestTotals("unit", report({ success: false }), red).failed).toBe(1);
  expect(vitestTotals("unit", report({}), red).failed).toBe(1);
  expect(vitestTotals("unit", "/nonexistent/report.json", green).failed).toBe(1);
});

test("what failed in vitest is told with its file: tests, files, hooks, and errors that nobody caught", () => {
  const passed = { fullName: "stays", status: "passed", failureMessages: [] };
  const fell = {
    fullName: "group adds",
    status: "failed",
    failureMessages: ["Error: \u001b[31m2\u001b[39m\n    at x"],
  };
  const files = [
    { name: join(root, "a.test.ts"), status: "failed", message: "", assertionResults: [passed, fell] },
    { name: join(root, "b.test.ts"), status: "failed", message: "no such module", assertionResults: [] },
    { name: join(root, "c.test.ts"), status: "failed", message: "", assertionResults: [passed] },
    { name: join(root, "d.test.ts"), status: "passed", message: "", assertionResults: [passed] },
  ];
  const output =
    "⎯⎯ \u001b[1mUnhandled Errors\u001b[22m ⎯⎯\n\nVitest caught 1\n\n⎯⎯ Uncaught Exception ⎯⎯\nError: late\n ❯ x\n";
  const totals = vitestTotals("db", report({ success: false, testResults: files }), { output, exitCode: 1 });
  expect(totals).toMatchObject({ passed: 3, failed: 4 });
  expect(failureLines(totals.failures)).toEqual([
    "What failed:",
    ...["  db: a.test.ts > group adds", "    Error: 2"],
    ...["  db: b.test.ts", "    no such module"],
    ...["  db: c.test.ts", "    a hook of its tests failed"],
    ...["  db: Uncaught Exception", "    Error: late"],
  ]);
});

test("cargo's result lines are added up", () => {
  const output = `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured
test result: FAILED. 2 passed; 1 failed; 3 ignored; 0 measured`;
  expect(cargoTotals("rust", { output, exitCode: 101 })).toMatchObject({ passed: 14, failed: 1, skipped: 3 });
});

test("what failed in cargo is told with the file it panicked in; what could not be compiled, with the first error", () => {
  const output = `failures:

---- frames::short stdout ----
read 3 bytes

thread 'frames::short' (7) panicked at invm/tests/wire.rs:3:45:
assertion failed: short
stack backtrace:
---- gives_back stdout ----
Error: "no luck"


failures:
    frames::short
    gives_back

test result: FAILED. 2 passed; 2 failed; 0 ignored; 0 measured`;
  expect(failureLines(cargoTotals("rust", { output, exitCode: 101 }).failures)).toEqual([
    "What failed:",
    ...["  rust: invm/tests/wire.rs > frames::short", "    assertion failed: short"],
    ...["  rust: gives_back", '    Error: "no luck"'],
  ]);
  const uncompiled = cargoTotals("rust", { output: "warning: x\nerror[E0308]: mismatched types\n", exitCode: 101 });
  expect(uncompiled.failed).toBe(1);
  expect(failureLines(uncompiled.failures)).toContain("    error[E0308]: mismatched types");
});

test("of many failures the first twenty are listed; of none, nothing", () => {
  const failures = Array.from({ length: 22 }, (_, index) => ({ part: "vm", name: `${index}`, message: "no" }));
  expect(failureLines(failures)).toHaveLength(42);
  expect(failureLines(failures).at(-1)).toBe("  and 2 more");
  expect(failureLines([])).toEqual([]);
});

test("the closing line names skips only where there are some", () => {
  expect(closingLine({ passed: 2, failed: 0, skipped: 0 })).toBe("2 passed, 0 failed");
  expect(closingLine({ passed: 2, failed: 1, skipped: 4 })).toBe("2 passed, 1 failed, 4 skipped");
});
