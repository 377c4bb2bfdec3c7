import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";

/** The lines of /proc/cpuinfo that say what a processor is, on x86-64 and on arm64. */
const KEYS = [
  ...["vendor_id", "cpu family", "model", "stepping", "microcode", "flags"],
  ...["CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"],
];

/**
 * Says which processor this host has, for people and for comparison: a snapshot is restored on the same one only. A
 * guest has seen its features, and goes on using them.
 */
export async function readCpuModel(): Promise<string> {
  return cpuModelOf(await readFile("/proc/cpuinfo", "utf8"));
}

export function cpuModelOf(cpuinfo: string): string {
  const first = cpuinfo.split(/\n\n/)[0] ?? "";
  const lines = new Map(first.split("\n").map((line) => line.split(/\s*:\s*/, 2) as [string, string]));
  const facts = KEYS.map((key) => lines.get(key)).filter((value) => value !== undefined);
  const features = facts.pop() ?? "";
  const digest = createHash("sha256").update(features.split(" ").sort().join(" ")).digest("hex").slice(0, 16);
  return [...facts, digest].join("/");
}
