/** What a VM or a snapshot is, as a tar stream: its description first. Holes cost nothing. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type CommandReading, readCommand } from "../host/read-command.ts";

/** `description`: the name of the file that says what it is. */
export async function packFolder(
  dir: string,
  description: string,
  memoryKept: boolean,
  options: { readonly signal: AbortSignal },
): Promise<CommandReading> {
  const memory = memoryKept ? (await readdir(join(dir, "memory"))).sort() : [];
  return readCommand(planPack(dir, [description, "root.ext4", ...memory.map((name) => `memory/${name}`)]), options);
}

/** Files alone, by name; one of several names is a file as any other. */
export function planPack(dir: string, names: readonly string[]): readonly string[] {
  const format = ["--sparse", "--format=posix", "--pax-option=delete=atime,delete=ctime"];
  const plain = ["--hard-dereference", "--no-recursion", "--owner=0", "--group=0", "--numeric-owner"];
  return ["tar", "--create", "--file=-", ...format, ...plain, `--directory=${dir}`, "--", ...names];
}
