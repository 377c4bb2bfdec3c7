import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { defined } from "../convert.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { fileInfoOf } from "./file-info.ts";
import type { FileAttributes, FileInfo, SetAttributesOptions } from "./file-types.ts";

export async function setAttributes(
  plane: DataPlane,
  path: string,
  attributes: FileAttributes,
  options: SetAttributesOptions,
): Promise<FileInfo> {
  const { mode, owner, group, modifyTime, xattrs = {} } = attributes;
  const { recursive = false, user = "", signal } = options;
  const request = defined({
    path,
    recursive,
    user,
    mode,
    owner,
    group,
    modifyTime: modifyTime && timestampFromDate(modifyTime),
    xattrs: Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [name, bytesOf(value)])),
  });
  const answer = await plane.unary((way, call) => way.files.setAttributes(request, call), { signal, repeatable: true });
  return fileInfoOf(answer.info);
}

function bytesOf(value: string | Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  return typeof value === "string" ? new TextEncoder().encode(value) : new Uint8Array(value ?? []);
}
