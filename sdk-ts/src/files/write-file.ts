/**
 * Writes a file: little content in one call, more over plain HTTP, in the pieces of one upload. Either way the path changes
 * at once and whole, and what a broken connection cut off is gone on with.
 */
import { fromJsonString } from "@bufbuild/protobuf";
import { FileInfoSchema, type FileInfo as WireFileInfo } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { type Piece, piecesOf } from "../bytes.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { httpRequest } from "../data-plane/http-request.ts";
import { resuming } from "../data-plane/resuming.ts";
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

/** One piece; where its connection broke, what the sandbox has not got yet. Only the last one is answered with the file. */
async function upload(
  plane: DataPlane,
  path: string,
  { data, offset, last }: Piece,
  uploadId: string,
  { mode, user, signal: caller }: WriteOptions,
): Promise<WireFileInfo | undefined> {
  const query = { path, user, mode: mode?.toString(8), upload_id: uploadId };
  const end = offset + data.length;
  let from: number | undefined;
  const attempts = resuming(plane, { signal: plane.signal(caller) }, async function* (way, { signal }, progress) {
    const target = { resource: "files", query, signal } as const;
    if (from === undefined) from = offset;
    else {
      const { headers } = await httpRequest(plane, way, { ...target, method: "HEAD" });
      const reached = Math.min(Math.max(Number(headers.get("upload-offset")), offset), end);
      if (reached > from) progress();
      from = reached;
    }
    if (from === end && !last) return yield undefined;
    const answer = await httpRequest(plane, way, {
      ...target,
      method: "PUT",
      headers: { "upload-offset": String(from), "upload-complete": last ? "?1" : "?0" },
      body: data.subarray(from - offset) as Uint8Array<ArrayBuffer>,
    });
    const said = await answer.text();
    yield said === "" ? undefined : fromJsonString(FileInfoSchema, said, { ignoreUnknownFields: true });
  });
  for await (const info of attempts) return info;
  return undefined;
}
