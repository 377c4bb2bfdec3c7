/**
 * The Python client's generated parts: messages and RPC clients from the protos, the blocking flavour from the asyncio one, and
 * its reference from the docstrings.
 */
import { execFileSync } from "node:child_process";
import { delimiter, join } from "node:path";
import { pythonEnvironment } from "./python-env.ts";

export async function generatePython(root: string): Promise<void> {
  const bin = await pythonEnvironment(join(root, "sdk-py-gen/requirements-gen.txt"));
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  execFileSync("buf", ["generate", "--template", "sdk-py-gen/buf.gen.yaml"], { cwd: root, env, stdio: "inherit" });
  execFileSync(join(bin, "python"), ["sdk-py-gen/make_sync.py"], { cwd: root, stdio: "inherit" });
  const reference = ["-o", join(root, "docs/reference/sdk-py.md"), "daytonah"];
  const inSources = { ...env, PYTHONPATH: join(root, "sdk-py-gen/src") };
  execFileSync(join(bin, "griffe2md"), reference, { cwd: join(root, "sdk-py-gen"), env: inSources, stdio: "inherit" });
}
