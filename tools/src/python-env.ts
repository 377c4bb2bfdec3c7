/** A Python with pinned packages, made once and kept between runs. */
import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirOf } from "../../images/src/cache.ts";

const run = promisify(execFile);

/** The `bin` folder of a virtual environment that has what the requirements file names, and nothing else. */
export async function pythonEnvironment(requirements: string): Promise<string> {
  const { stdout: version } = await run("python3", ["--version"]);
  const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = join(cacheDirOf(process.env), "python", key);
  const complete = join(folder, "complete");
  const bin = join(folder, "bin");
  if (existsSync(complete)) return bin;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run("python3", ["-m", "venv", folder]).catch((cause: ExecFileException) => {
    throw new Error("Python can't make a virtual environment: install the Debian package python3-venv.", { cause });
  });
  await run(join(bin, "python"), [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-r",
    requirements,
  ]);
  writeFileSync(complete, "");
  return bin;
}
