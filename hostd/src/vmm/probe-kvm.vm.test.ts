import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CommandRunner, createCommandRunner } from "../host/exec.ts";
import { probeKvm } from "./probe-kvm.ts";
import { testBundle } from "./testing/test-bundle.ts";

const options = () => ({ signal: AbortSignal.timeout(60_000) });

async function fixture() {
  const folder = await mkdtemp("/tmp/dnah-kvm-");
  const runs: (readonly string[])[] = [];
  const real = createCommandRunner();
  const runner: CommandRunner = {
    run: (argv, runOptions) => {
      runs.push(argv);
      return real.run(argv, runOptions);
    },
  };
  return {
    probe: {
      runner,
      qemuBinary: "qemu-system-x86_64",
      kernel: testBundle().kernel,
      cacheFile: join(folder, "kvm.json"),
      timeoutMs: 30_000,
    },
    boots: () => runs.filter((argv) => argv.includes("-kernel")).length,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test("finds an accelerator usable that boots a stock kernel, and asks once", async () => {
  await using f = await fixture();
  const probe = { ...f.probe, accelerator: "tcg" as const };
  expect(await probeKvm(probe, options())).toEqual({ usable: true });
  expect(await probeKvm(probe, options())).toEqual({ usable: true });
  expect(f.boots()).toBe(1);
});

test("ends a guest that is not up in time, and remembers that", async () => {
  await using f = await fixture();
  const probe = { ...f.probe, accelerator: "tcg" as const, timeoutMs: 200 };
  expect(await probeKvm(probe, options())).toEqual({ usable: false, reason: expect.stringContaining("200 ms") });
  expect(JSON.parse(await readFile(f.probe.cacheFile, "utf8")).answer.usable).toBe(false);
});

test("answers for this host's KVM, whatever it is", async () => {
  await using f = await fixture();
  const answer = await probeKvm({ ...f.probe, timeoutMs: 10_000 }, options());
  expect(answer.usable || answer.reason).toBeTruthy();
});

test("an abort is an abort, not an answer", async () => {
  await using f = await fixture();
  const reason = new Error("stopping");
  const probe = { ...f.probe, accelerator: "tcg" as const };
  await expect(probeKvm(probe, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
