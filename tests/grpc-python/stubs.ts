/** A Python with grpcio, kept between runs, and stubs made from the protos. */
import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const requirements = join(import.meta.dirname, "requirements.txt");

/** Path of a Python that has what requirements.txt names. */
export async function pythonWithGrpc(): Promise<string> {
  const { stdout: version } = await run("python3", ["--version"]);
  const key = createHash("sha256").update(version).update(readFileSync(requirements)).digest("hex").slice(0, 16);
  const folder = join(cacheFolder(), "grpc-python", key);
  const complete = join(folder, "complete");
  const python = join(folder, "bin/python");
  if (existsSync(complete)) return python;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run("python3", ["-m", "venv", folder]).catch((cause: ExecFileException) => {
    throw new Error("Python can't make a virtual environment: install the Debian package python3-venv.", { cause });
  });
  await run(python, ["-m", "pip", "install", "--quiet", "--no-deps", "-r", requirements]);
  writeFileSync(complete, "");
  return python;
}

/** Writes the stubs of the public protos into the folder. */
export async function generateStubs(python: string, folder: string): Promise<void> {
  const includes = [join(root, "proto"), join(root, "tools/vendor")];
  const files = [...globSync("daytonah/v1/*.proto", { cwd: includes[0] as string }), "buf/validate/validate.proto"];
  mkdirSync(folder, { recursive: true });
  await run(python, [
    "-m",
    "grpc_tools.protoc",
    ...includes.map((include) => `-I${include}`),
    `--python_out=${folder}`,
    `--grpc_python_out=${folder}`,
    ...files,
  ]);
}

function cacheFolder(): string {
  const { DNAH_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  return DNAH_CACHE_DIR || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "daytonah");
}
