import { type FileInfo as WireFileInfo, FileType as WireFileType } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { dateOf, lowerNameOf } from "../convert.ts";
import type { FileInfo } from "./file-types.ts";

export function fileInfoOf(info: WireFileInfo | undefined): FileInfo {
  if (!info) throw new TypeError("The platform's answer lacks the file's description.");
  const isTargetKnown = info.targetType !== WireFileType.UNSPECIFIED;
  return {
    path: info.path,
    name: info.name,
    type: lowerNameOf(WireFileType, info.type),
    size: Number(info.size),
    mode: info.mode,
    owner: info.owner,
    group: info.group,
    uid: info.uid,
    gid: info.gid,
    modifyTime: dateOf(info.modifyTime),
    symlinkTarget: info.symlinkTarget || undefined,
    targetType: isTargetKnown ? lowerNameOf(WireFileType, info.targetType) : undefined,
    xattrs: info.xattrs,
  };
}
