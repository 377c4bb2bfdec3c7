/**
 * The Python client's generated parts: messages and RPC clients from the protos, the blocking flavour from the asyncio one, and
 * its reference from the docstrings.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pythonEnvironment } from "./python-env.ts";
import { liveAnchors } from "./reference/live-anchors.ts";

export async function generatePython(root: string): Promise<void> {
  const bin = await pythonEnvironment(join(root, "sdk-py-gen/requirements-gen.txt"));
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  execFileSync("buf", ["generate", "--template", "sdk-py-gen/buf.gen.yaml"], { cwd: root, env, stdio: "inherit" });
  execFileSync(join(bin, "python"), ["sdk-py-gen/make_sync.py"], { cwd: root, stdio: "inherit" });
  const reference = join(root, "docs/reference/sdk-py.md");
  execFileSync(join(bin, "griffe2md"), ["-o", reference, "daytonah"], {
    cwd: join(root, "sdk-py-gen"),
    env: { ...env, PYTHONPATH: join(root, "sdk-py-gen/src") },
    stdio: "inherit",
  });
  writeFileSync(reference, liveAnchors(readFileSync(reference, "utf8")));
}
