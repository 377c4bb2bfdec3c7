/** Content into a file of the sandbox, in one call of the agent. */
import type { FileInfo } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { WriteMode } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { checkedInfo } from "./file-convert.ts";
import type { SandboxCall } from "./sandbox-call.ts";
import { type Content, sendContent } from "./send-content.ts";

export interface WriteTarget {
  readonly path: string;
  readonly user: string;
  readonly mode: number;
}

/** The path changes at once: the agent writes beside it and renames. */
export function writeWhole(call: SandboxCall, target: WriteTarget, content: Content): Promise<FileInfo> {
  return write(call, target, content, WriteMode.REPLACE);
}

/** As writeWhole; FILE_EXISTS where the path is there, however late it came to be. */
export function createWhole(call: SandboxCall, target: WriteTarget, content: Content): Promise<FileInfo> {
  return write(call, target, content, WriteMode.CREATE);
}

/** In place: what came of content that breaks off stays. */
export function writeAt(call: SandboxCall, target: WriteTarget, offset: bigint, content: Content): Promise<FileInfo> {
  return write(call, target, content, WriteMode.OFFSET, offset);
}

function write(
  call: SandboxCall,
  { path, user, mode }: WriteTarget,
  content: Content,
  writeMode: WriteMode,
  offset = 0n,
): Promise<FileInfo> {
  const value = { path, user, mode, writeMode, offset };
  return sendContent(call, { case: "writeFile", value }, content, "fileInfo", checkedInfo);
}
