/** Writes a file: in one call up to 1 MiB, else in the pieces of one upload. Either way the path changes at once and whole. */
import type { FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { piecesOf } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import type { ByteSource } from "../exec/exec-types.ts";
import { randomId } from "../random-id.ts";
import type { WriteOptions } from "./file-types.ts";

const pieceBytes = 1024 * 1024;

export async function writeFile(
  plane: DataPlane,
  path: string,
  content: ByteSource,
  options: WriteOptions,
): Promise<WireFileInfo | undefined> {
  const { mode = 0, user = "", signal } = options;
  const uploadId = randomId();
  let info: WireFileInfo | undefined;
  for await (const { data, offset, last } of piecesOf(content, pieceBytes)) {
    const piece = offset === 0 && last ? {} : { piece: { uploadId, offset: BigInt(offset), last } };
    const request = { path, data, mode, user, ...piece };
    // Repeating a piece changes nothing, nor does writing the same whole file again.
    const answer = await plane.unary((way, call) => way.files.writeFile(request, call), {
      signal,
      repeatable: true,
    });
    info = answer.info;
  }
  return info;
}
