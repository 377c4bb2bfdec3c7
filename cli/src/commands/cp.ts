import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import type { Command } from "commander";
import { Sandbox } from "daytonah";
import { CliError } from "../cli-error.ts";
import { contextOf } from "../client.ts";
import { type CopyEnd, readCopyEnd, targetPath } from "../copy-ends.ts";
import { copyTreeIn, copyTreeOut } from "../copy-tree.ts";
import { printJson, write } from "../output.ts";

type SandboxEnd = Extract<CopyEnd, { t: "sandbox" }>;
type OwnEnd = Exclude<CopyEnd, { t: "sandbox" }>;

interface Flags {
  readonly user?: string;
  readonly recursive?: boolean;
}

/** Registers `dnah cp`. */
export function registerCp(program: Command): void {
  program
    .command("cp")
    .description("copy a file, or with -r a directory, into a sandbox or out of one")
    .argument("<source>", "a path, id:path, or - for standard input")
    .argument("<target>", "a path, id:path, or - for standard output")
    .option("-r, --recursive", "a directory with all below it")
    .option("-u, --user <name>", "user in the sandbox")
    .action(async (from: string, to: string, flags: Flags, command: Command) => {
      const [source, target] = [readCopyEnd(from), readCopyEnd(to)];
      const { client, json } = contextOf(command);
      const connect = (id: string) => Sandbox.connect(id, { client });
      let bytes: number;
      if (source.t !== "sandbox" && target.t === "sandbox") {
        bytes = await copyIn(await connect(target.id), source, target, flags);
      } else if (source.t === "sandbox" && target.t !== "sandbox") {
        bytes = await copyOut(await connect(source.id), source, target, flags);
      } else {
        throw new CliError("One end must be in a sandbox, and only one.", "Write it as <id>:<path>.");
      }
      if (json && target.t !== "standard") await printJson({ source: from, target: to, bytes });
    });
}

async function copyIn(
  sandbox: Sandbox,
  source: OwnEnd,
  target: SandboxEnd,
  { user, recursive }: Flags,
): Promise<number> {
  const local = source.t === "local" ? await stat(source.path) : undefined;
  if (local?.isDirectory() && !recursive) throw new CliError(`${fromText(source)} is a directory.`, "Use -r.");
  const isFolder = target.path === "" || (await isSandboxFolder(sandbox, target.path, user));
  const path = targetPath(target.path, isFolder, source);
  if (local?.isDirectory() && source.t === "local") return copyTreeIn(sandbox, source.path, path, user);
  const content = source.t === "local" ? createReadStream(source.path) : process.stdin;
  const mode = local ? local.mode & 0o777 : undefined;
  return (await sandbox.files.write(path, content, { user, mode })).size;
}

async function copyOut(
  sandbox: Sandbox,
  source: SandboxEnd,
  target: OwnEnd,
  { user, recursive }: Flags,
): Promise<number> {
  const isTree = recursive && (await isSandboxFolder(sandbox, source.path, user));
  const content = isTree
    ? sandbox.files.readArchive(source.path, { user })
    : sandbox.files.stream(source.path, { user });
  if (target.t === "standard") {
    let size = 0;
    for await (const chunk of content) {
      await write(process.stdout, chunk);
      size += chunk.length;
    }
    return size;
  }
  const isFolder = await stat(target.path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const path = targetPath(target.path, isFolder, source);
  return isTree ? copyTreeOut(sandbox, source.path, path, user) : save(content, path);
}

/** By a rename at the end: a copy that fails leaves what was there. */
async function save(content: AsyncIterable<Uint8Array>, path: string): Promise<number> {
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  try {
    await using file = await open(part, "wx");
    let size = 0;
    for await (const chunk of content) {
      await file.writeFile(chunk);
      size += chunk.length;
    }
    await rename(part, path);
    return size;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function isSandboxFolder(sandbox: Sandbox, path: string, user: string | undefined): Promise<boolean> {
  return (
    (await sandbox.files.exists(path, { user })) && (await sandbox.files.stat(path, { user })).type === "directory"
  );
}

function fromText(end: OwnEnd): string {
  return end.t === "local" ? end.path : "-";
}
