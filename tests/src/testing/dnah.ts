/** Runs `dnah` as a person types it, against the test platform. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { testPlatform } from "./api.ts";

const launcher = fileURLToPath(new URL("../../../cli/bin/dnah", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function dnah(argv: readonly string[], input = ""): Promise<Ended> {
  const { url, apiKey } = testPlatform();
  const child = spawn(launcher, argv, { env: { ...process.env, DNAH_URL: url, DNAH_API_KEY: apiKey } });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}
