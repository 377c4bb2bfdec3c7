/** The two ends of `dnah cp`. */
import { basename } from "node:path";
import { CliError } from "./cli-error.ts";

export type CopyEnd =
  | { readonly t: "standard" }
  | { readonly t: "local"; readonly path: string }
  | { readonly t: "sandbox"; readonly id: string; readonly path: string };

/** "-" is standard input or output, `id:path` is in a sandbox, all else is a local path (`./a:b` where it has a colon). */
export function readCopyEnd(text: string): CopyEnd {
  if (text === "-") return { t: "standard" };
  const [, id, path] = /^([a-z0-9]{1,63}):(.*)$/s.exec(text) ?? [];
  return id === undefined || path === undefined ? { t: "local", path: text } : { t: "sandbox", id, path };
}

/** The path of the copy: in a folder it keeps the source's name. */
export function targetPath(target: string, isFolder: boolean, source: CopyEnd): string {
  if (!isFolder && target !== "" && !target.endsWith("/")) return target;
  if (source.t === "standard")
    throw new CliError(`"${target}" is a folder.`, "Name the file that the input is to become.");
  return `${target === "" || target.endsWith("/") ? target : `${target}/`}${basename(source.path)}`;
}
