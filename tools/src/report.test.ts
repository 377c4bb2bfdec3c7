import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cargoTotals, closingLine, vitestTotals } from "./report.ts";

const report = (over: object) => {
  const file = join(mkdtempSync(join(tmpdir(), "dnah-report-")), "report.json");
  const whole = {
    numPassedTests: 3,
    numFailedTests: 0,
    numPendingTests: 1,
    numTodoTests: 0,
    numFailedTestSuites: 0,
    success: true,
  };
  writeFileSync(file, JSON.stringify({ ...whole, ...over }));
  return file;
};

test("a green run of vitest is counted", () => {
  expect(vitestTotals(report({}), 0)).toEqual({ passed: 3, failed: 0, skipped: 1 });
});

test("a run that fails without a failed test is a failure", () => {
  expect(vitestTotals(report({ success: false }), 1).failed).toBe(1);
  expect(vitestTotals(report({}), 1).failed).toBe(1);
  expect(vitestTotals("/nonexistent/report.json", 0).failed).toBe(1);
});

test("cargo's result lines are added up", () => {
  const output = `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured
test result: FAILED. 2 passed; 1 failed; 3 ignored; 0 measured`;
  expect(cargoTotals(output, 101)).toEqual({ passed: 14, failed: 1, skipped: 3 });
  expect(cargoTotals("error: could not compile", 101).failed).toBe(1);
});

test("the closing line names skips only where there are some", () => {
  expect(closingLine({ passed: 2, failed: 0, skipped: 0 })).toBe("2 passed, 0 failed");
  expect(closingLine({ passed: 2, failed: 1, skipped: 4 })).toBe("2 passed, 1 failed, 4 skipped");
});
