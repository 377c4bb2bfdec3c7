/** A server in a sandbox that answers `/<n>` with n bytes, on kept connections: the one of the floors. */
import { readFileSync } from "node:fs";
import type { Sandbox } from "daytonah";

const program = new URL("../../hostd/src/bench/byte_server.py", import.meta.url);

export async function startByteServer(sandbox: Sandbox, port: number): Promise<void> {
  const { id } = await sandbox.start(["python3", "-c", readFileSync(program, "utf8"), String(port)]);
  for await (const { text } of sandbox.attach(id)) if (text.includes("ready")) return;
  throw new Error("the server in the sandbox ended");
}
