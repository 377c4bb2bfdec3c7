import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/**
 * One project for each tier, by file name. `npm test` runs all but `long`.
 *
 *   *.test.ts       pure, or loopback only; the whole tier takes seconds
 *   *.db.test.ts    a real PostgreSQL
 *   *.root.test.ts  root: users, mounts, network namespaces
 *   *.vm.test.ts    real microVMs
 *   *.long.test.ts  what takes too long for every change (`npm run test:long`)
 */
const exclude = ["**/node_modules/**", "target/**"];
const tiers = ["db", "root", "vm", "long"];
/** For what hangs, and no measure: on a loaded machine a test may take five times as long. */
const testTimeout = 60_000;
/** Of a poll that is about to fail: emulated guests and loaded machines take their time. */
const expect = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    // Tests of all tiers but vm and long wait more than they work.
    maxWorkers: Math.max(3, availableParallelism()),
    projects: [
      {
        test: {
          name: "unit",
          include: ["*/{src,tests}/**/*.test.ts"],
          exclude: [...exclude, ...tiers.map((tier) => `**/*.${tier}.test.ts`)],
          testTimeout,
        },
      },
      {
        test: {
          name: "db",
          include: ["*/src/**/*.db.test.ts"],
          exclude,
          testTimeout,
          hookTimeout: 60_000,
          globalSetup: ["server/src/testing/postgres-setup.ts"],
        },
      },
      {
        test: { name: "root", include: ["*/src/**/*.root.test.ts"], exclude, testTimeout, hookTimeout: 60_000 },
      },
      {
        test: {
          name: "vm",
          include: ["*/src/**/*.vm.test.ts"],
          exclude,
          expect,
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "long",
          include: ["*/src/**/*.long.test.ts"],
          exclude,
          expect,
          testTimeout: 3_600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
