/**
 * `npm test`: makes the machine ready, then runs every check and every test, real microVMs included. Ends with what failed
 * and the line `N passed, N failed`.
 *
 *   npm test                      all
 *   npm test -- unit db           some parts: checks rust unit db root vm
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checks } from "./checks.ts";
import {
  addTotals,
  cargoTotals,
  closingLine,
  type Failure,
  failureLines,
  firstError,
  type Run,
  type Totals,
  vitestTotals,
} from "./report.ts";
import { rustTarget } from "./setup/cargo-builds.ts";
import { CommandFailure } from "./setup/command.ts";
import { testPackages } from "./setup/debian-packages.ts";
import { root, type Setup, setUp } from "./setup/setup.ts";
import { formatSeconds, printedSteps } from "./setup/steps.ts";
import { spawnDependent } from "./spawn-dependent.ts";
import { stageForVms } from "./stage-for-vms.ts";
import { startTestPlatform } from "./test-platform.ts";

const parts = ["checks", "rust", "unit", "db", "root", "vm", "long"] as const;
type Part = (typeof parts)[number];

const totals: Totals = { passed: 0, failed: 0, skipped: 0, failures: [] };

async function main(argv: readonly string[]): Promise<void> {
  const unknown = argv.filter((name) => !parts.includes(name as Part));
  if (unknown.length > 0) throw new Error(`unknown part: ${unknown.join(" ")}; there are: ${parts.join(" ")}`);
  const wanted =
    argv.length > 0 ? parts.filter((part) => argv.includes(part)) : parts.filter((part) => part !== "long");

  const built = await setUp(printedSteps(console.log), process.env, testPackages);
  using staged = stageForVms(built);
  const { setup } = staged;
  const env = {
    ...process.env,
    DNAH_TEST_BUNDLE: setup.bundle,
    DNAH_TEST_INVM: setup.invm,
    DNAH_VHOST_DEVICE_VSOCK: setup.vhostDeviceVsock,
  };
  for (const part of wanted) {
    const started = performance.now();
    console.log(`\n== ${part}`);
    await runPart(part, env, setup);
    console.log(`== ${part}: ${formatSeconds(performance.now() - started)}`);
  }
}

async function runPart(part: Part, env: NodeJS.ProcessEnv, setup: Setup): Promise<void> {
  switch (part) {
    case "checks":
      for (const { name, check } of checks) await runCheck(name, check);
      return;
    case "rust": {
      const run = await show(["cargo", "test", "--locked", "--target", rustTarget], env);
      addTotals(totals, cargoTotals(part, run));
      return;
    }
    case "unit":
    case "db":
    case "root":
      return runVitest(part, env);
    case "vm":
    case "long": {
      await using platform = await startTestPlatform(setup);
      await runVitest(part, { ...env, ...platform.env });
      return;
    }
  }
}

async function runCheck(name: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
    totals.passed += 1;
    console.log(`✓ ${name}`);
  } catch (error) {
    addFailure({
      part: "checks",
      name,
      message: error instanceof CommandFailure ? firstError(error.output) : describe(error),
    });
    console.log(`✗ ${name}\n${describe(error)}`);
  }
}

async function runVitest(project: string, env: NodeJS.ProcessEnv): Promise<void> {
  const file = join(tmpdir(), `dnah-test-${process.pid}-${project}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const run = await show(["vitest", "run", "--project", project, "--passWithNoTests", ...reporters], env);
  addTotals(totals, vitestTotals(project, file, run));
}

/** Runs a program with its output on ours, and keeps it. */
async function show(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Run> {
  const child = spawnDependent(argv, { cwd: root, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      process.stdout.write(chunk);
      output += chunk.toString();
    });
  }
  const exitCode = await new Promise<number>((resolve) => {
    child.once("error", () => resolve(127));
    child.once("close", (code) => resolve(code ?? 1));
  });
  return { output, exitCode };
}

function addFailure(failure: Failure): void {
  totals.failed += 1;
  totals.failures.push(failure);
}

function describe(error: unknown): string {
  if (error instanceof CommandFailure) return `${error.message}\n${error.output}`;
  return error instanceof Error ? error.message : String(error);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  addFailure({ part: "npm test", name: "could not go on", message: describe(error) });
  console.log(`npm test could not go on: ${describe(error)}`);
}
console.log(["", ...failureLines(totals.failures), closingLine(totals)].join("\n"));
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
