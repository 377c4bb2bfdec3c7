/** Files: the guest's messages as the public API's. A client may write what it lists to a disk of its own: paths are checked. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import {
  FileChangeKind,
  FileChangeSchema,
  type FileInfo,
  FileInfoSchema,
  type FileReplacementSchema,
  type TextMatchSchema,
} from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { guestProblem } from "../guest/guest-problem.ts";
import { timeField } from "../guest/wire-time.ts";

/** A walk by descriptors may go deeper than PATH_MAX; this is 64 levels of the longest names. */
const maxPathLength = 64 * 256;
const maxOwnerLength = 256;
const maxLineBytes = 4096;
const lastFileType = 4;
/** Of the kinds of change both sides number alike. */
const lastChangeKind = 7;

/** The description, where it can be one. */
export function checkedInfo(info: guest.FileInfo): guest.FileInfo {
  const { path, name, symlinkTarget, owner, group } = info;
  requirePlain(path);
  if (symlinkTarget !== "") requirePlain(symlinkTarget);
  if (name !== (path === "/" ? "/" : path.slice(path.lastIndexOf("/") + 1))) throw refused("a file's name", name);
  if (owner.length > maxOwnerLength || group.length > maxOwnerLength) throw refused("an owner", owner);
  return info;
}

export function toFileInfo(info: guest.FileInfo): FileInfo {
  const { path, name, type, size, mode, uid, gid, owner, group } = checkedInfo(info);
  const { modifyTime, symlinkTarget, targetType, xattrs } = info;
  return create(FileInfoSchema, {
    ...{ path, name, size, uid, gid, owner, group, symlinkTarget, xattrs },
    mode: mode & 0o7777,
    type: toFileType(type),
    targetType: toFileType(targetType),
    ...timeField("modifyTime", modifyTime),
  });
}

/** A file at or below `root`, where that is absolute; what it is relative to only the guest knows. */
export function requireBelow(path: string, root: string): void {
  if (!root.startsWith("/")) return;
  const base = plainPath(root);
  if (path !== base && !path.startsWith(base === "/" ? base : `${base}/`)) throw refused("a path of elsewhere", path);
}

/** As the guest resolves it: "..", "." and empty parts by text. */
function plainPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

export function toFileChange({ kind, path, info }: guest.FileChange) {
  const quiet = kind === guest.ChangeKind.READY || kind === guest.ChangeKind.OVERFLOW;
  if (kind < 1 || kind > lastChangeKind) throw refused("a kind of change", String(kind));
  if (!quiet && path !== "") requirePlain(`/${path}`);
  return create(FileChangeSchema, {
    kind: kind as number as FileChangeKind,
    path: quiet ? "" : path,
    ...(info && !quiet ? { info: toFileInfo(info) } : {}),
  });
}

/** Changes may have been missed. */
export const overflow = create(FileChangeSchema, { kind: FileChangeKind.OVERFLOW });

export function toTextMatch({ path, line, column, text }: guest.TextMatch): MessageInitShape<typeof TextMatchSchema> {
  requirePlain(path);
  if (Buffer.byteLength(text) > maxLineBytes) throw refused("a line of a file", text);
  return { path, line, column, text };
}

/** `path` is the one asked for. */
export function toReplacement(
  replaced: guest.FileReplaced,
  path: string,
): MessageInitShape<typeof FileReplacementSchema> {
  if (replaced.path !== path) throw refused("a file that was not asked for", replaced.path);
  if (!replaced.error) return { path, replacements: replaced.replacements };
  const { reason, message } = guestProblem(replaced.error);
  return { path, failureReason: reason, failureMessage: message };
}

function toFileType(type: guest.FileType): guest.FileType {
  return type <= lastFileType ? type : guest.FileType.UNSPECIFIED;
}

/** Absolute, of names other than "." and "..". */
const plain = /^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/;

function requirePlain(path: string): void {
  if (path.length > maxPathLength || !(path === "/" || plain.test(path))) throw refused("a path", path);
}

function refused(what: string, value: string): GuestConnectionError {
  const shown = JSON.stringify(value.slice(0, 100));
  return new GuestConnectionError("protocol", `The agent told ${what} that can't be one: ${shown}.`);
}
