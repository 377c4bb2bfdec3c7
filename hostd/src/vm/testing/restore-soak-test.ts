/** One soak as a test: DNAH_TEST_RESTORES says how many instead, DNAH_TEST_SEED plays its moments again. */
import { expect, test } from "vitest";
import { testSeed } from "../../testing/random.ts";
import { restoreSoak } from "./restore-soak.ts";

export function restoreSoakTest(fallback: number): void {
  const restores = Number(process.env.DNAH_TEST_RESTORES ?? fallback);
  const seed = testSeed();
  const timeout = 300_000 + restores * 10_000; // of a machine with other work
  test(`${restores} restores of VMs that were at work, and none is wedged (DNAH_TEST_SEED=${seed})`, {
    timeout,
  }, async () => {
    const { firstAnswers, snapshots, seconds } = await restoreSoak(restores, seed);
    expect(firstAnswers.length).toBeGreaterThanOrEqual(restores);
    const sorted = firstAnswers.toSorted((a, b) => a - b);
    const percentile = (p: number) => sorted[Math.ceil((p / 100) * sorted.length) - 1]?.toFixed(0);
    console.log(
      `${sorted.length} restores of ${snapshots} snapshots in ${seconds.toFixed(0)} s, ${(sorted.length / seconds).toFixed(2)} a second; ` +
        `to the first answer P50 ${percentile(50)} ms, P99 ${percentile(99)} ms`,
    );
  });
}
