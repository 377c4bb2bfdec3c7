/** The README, followed word by word against a real platform. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readmeProgram } from "./testing/readme-program.ts";

test("every example of the README does what it says", async () => {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = process.env;
  if (!url || !keyFile) throw new Error("run this by `npm test`, which starts a platform.");
  const folder = mkdtempSync(join(tmpdir(), "daytonah-readme-"));
  try {
    const program = join(folder, "readme.ts");
    writeFileSync(program, readmeProgram(new URL("./index.ts", import.meta.url).href));
    const env = { ...process.env, DNAH_URL: url, DNAH_API_KEY: readFileSync(keyFile, "utf8").trim() };
    const { stdout } = await promisify(execFile)(process.execPath, [program], { env });
    expect(stdout).toContain("0 42\n");
    expect(stdout).toContain("building\ndone\n");
    expect(stdout).toContain("hello from xterm-256color");
    expect(stdout).toContain("created new.txt");
    expect(stdout).toContain("200\n");
    expect(stdout).toContain("all of it ran\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
