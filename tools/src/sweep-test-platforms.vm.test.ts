import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { vmProcesses } from "../../tests/src/testing/machine.ts";
import { spawnDependent } from "./spawn-dependent.ts";
import { platformProcesses, sweepTestPlatforms } from "./sweep-test-platforms.ts";

const program = fileURLToPath(new URL("testing/leave-sandbox.ts", import.meta.url));

test("of tests that are killed nothing runs on, but VMs, and those until the next tests begin", async () => {
  const tests = spawnDependent([process.execPath, program], { cwd: import.meta.dirname });
  let printed = "";
  for (const stream of [tests.stdout, tests.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk));
  await expect.poll(() => printed, { timeout: 120_000 }).toContain("\n");
  const { dataDir, firstUid } = JSON.parse(printed) as { dataDir: string; firstUid: number };
  expect(vmProcesses(firstUid).length).toBeGreaterThan(0);

  sweepTestPlatforms();
  expect(vmProcesses(firstUid).length, "a platform that runs is left alone").toBeGreaterThan(0);

  tests.kill("SIGKILL");
  await once(tests, "close");
  // Once the platform is down, its own processes are gone too, and nothing but VMs is left for the next tests to end.
  await expect
    .poll(() => {
      sweepTestPlatforms();
      return vmProcesses(firstUid).length;
    })
    .toBe(0);
  expect(platformProcesses(dataDir, [firstUid])).toEqual([]);
  expect(existsSync(dataDir)).toBe(false);
});
