/**
 * Writes a file: little content in one call, more over plain HTTP, in the pieces of one upload. Either way the path changes
 * at once and whole, and what a broken connection cut off is sent again.
 */
import { fromJsonString } from "@bufbuild/protobuf";
import { FileInfoSchema, type FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { type Piece, piecesOf } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { httpRequest } from "../data-plane/http-request.ts";
import type { ByteSource } from "../exec/exec-types.ts";
import { randomId } from "../random-id.ts";
import type { WriteOptions } from "./file-types.ts";

/** One is kept until the sandbox has it. */
const pieceBytes = 8 * 1024 * 1024;
/** What one call may carry. */
const maxCallBytes = 1024 * 1024;

export async function writeFile(
  plane: DataPlane,
  path: string,
  content: ByteSource,
  options: WriteOptions,
): Promise<WireFileInfo | undefined> {
  const uploadId = randomId();
  let info: WireFileInfo | undefined;
  for await (const piece of piecesOf(content, pieceBytes)) {
    const isSmall = piece.offset === 0 && piece.last && piece.data.length <= maxCallBytes;
    info = isSmall
      ? await writeSmall(plane, path, piece.data, options)
      : await upload(plane, path, piece, uploadId, options);
  }
  return info;
}

/** Writing the same whole file again changes nothing. */
async function writeSmall(
  plane: DataPlane,
  path: string,
  data: Uint8Array,
  { mode = 0, user = "", signal }: WriteOptions,
): Promise<WireFileInfo | undefined> {
  const request = { path, data, mode, user };
  const answer = await plane.unary((way, call) => way.files.writeFile(request, call), { signal, repeatable: true });
  return answer.info;
}

/** Nor does a piece that is sent again. Only the last one is answered with the file. */
function upload(
  plane: DataPlane,
  path: string,
  { data, offset, last }: Piece,
  uploadId: string,
  { mode, user, signal: caller }: WriteOptions,
): Promise<WireFileInfo | undefined> {
  const signal = plane.signal(caller);
  return plane.repeating(signal, async (way) => {
    const answer = await httpRequest(plane, way, {
      method: "PUT",
      resource: "files",
      query: { path, user, mode: mode?.toString(8), upload_id: uploadId },
      headers: { "upload-offset": String(offset), "upload-complete": last ? "?1" : "?0" },
      body: data as Uint8Array<ArrayBuffer>,
      signal,
    });
    const said = await answer.text();
    return said === "" ? undefined : fromJsonString(FileInfoSchema, said, { ignoreUnknownFields: true });
  });
}
