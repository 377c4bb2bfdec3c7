/** A Python with grpcio, kept between runs, and stubs made from the protos. */
import { execFile } from "node:child_process";
import { globSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { pythonEnvironment } from "../../tools/src/python-env.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

/** Path of a Python that has what requirements.txt names. */
export async function pythonWithGrpc(): Promise<string> {
  return join(await pythonEnvironment(join(import.meta.dirname, "requirements.txt")), "python");
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
