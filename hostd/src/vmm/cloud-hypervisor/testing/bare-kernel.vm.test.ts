import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bareKernel, COUNTER_ADDRESS } from "./bare-kernel.ts";

test("the bare kernel is entered by its PVH note, and counts", async () => {
  const folder = await mkdtemp("/dev/shm/dnah-bare-");
  const [kernel, memory] = [join(folder, "kernel"), join(folder, "memory")];
  await writeFile(kernel, bareKernel());
  const backend = `memory-backend-file,id=mem,size=64M,mem-path=${memory},share=on`;
  const machine = ["-M", "pc,memory-backend=mem", "-accel", "tcg", "-m", "64M", "-object", backend];
  const argv = ["-nodefaults", "-no-user-config", "-display", "none", ...machine, "-kernel", kernel];
  const qemu = spawn("qemu-system-x86_64", argv, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = once(qemu, "exit");
  onTestFinished(async () => {
    qemu.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true });
  });
  const count = async () => {
    await using file = await open(memory);
    return (await file.read(Buffer.alloc(4), 0, 4, COUNTER_ADDRESS)).buffer.readUInt32LE();
  };
  await expect.poll(() => count().catch(() => 0), { timeout: 20_000 }).toBeGreaterThan(1000);
  const before = await count();
  await expect.poll(count).not.toBe(before);
});
