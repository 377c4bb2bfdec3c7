/** Copies a directory with all below it into a sandbox or out of one, as one stream of tar. */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import type { Sandbox } from "daytonah";
import { create, extract } from "tar";
import { CliError } from "./cli-error.ts";

/** The content of the local `source` becomes that of `target`. Resolves with the number of bytes of its files. */
export async function copyTreeIn(
  sandbox: Sandbox,
  source: string,
  target: string,
  user: string | undefined,
): Promise<number> {
  const archive = create({ cwd: source }, ["."]);
  return (await sandbox.files.writeArchive(target, archive, { user })).bytes;
}

/** The content of `source` in the sandbox becomes that of the local `target`. Resolves with the number of bytes of the archive. */
export async function copyTreeOut(
  sandbox: Sandbox,
  source: string,
  target: string,
  user: string | undefined,
): Promise<number> {
  await mkdir(target, { recursive: true });
  // Names that lead out of the folder, and links to such places, are left out: the sandbox is not trusted. Told, not hidden.
  const refused: string[] = [];
  const unpack = extract({
    cwd: target,
    onwarn(code, message) {
      // It says so of an archive without an entry, too.
      if (code !== "TAR_BAD_ARCHIVE" || !isEmpty) refused.push(String(message));
    },
  });
  let isEmpty = true;
  const failed = once(unpack, "error").then(([error]) => Promise.reject(error));
  failed.catch(() => undefined);
  const closed = once(unpack, "close");
  let bytes = 0;
  for await (const chunk of sandbox.files.readArchive(source, { user })) {
    bytes += chunk.length;
    isEmpty &&= chunk.every((byte) => byte === 0);
    if (!unpack.write(Buffer.from(chunk))) await Promise.race([once(unpack, "drain"), failed]);
  }
  unpack.end();
  await Promise.race([closed, failed]);
  if (refused.length > 0) {
    throw new CliError(`${refused.length} entries were left out, the first: ${refused[0]}`, "Copy them one by one.");
  }
  return bytes;
}
