/**
 * An upload that can go on after a cut, in the headers of the IETF's draft (draft-ietf-httpbis-resumable-upload): HEAD says
 * how far it came, PUT or PATCH goes on from there. The client names it: `upload_id`.
 */
import { create } from "@bufbuild/protobuf";
import { UploadPieceSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { check } from "@daytonah/lib/interceptors.ts";
import { breakOff, headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import type { Uploads } from "../api/uploads.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { sendFileInfo } from "./put-file.ts";
import { readTarget } from "./read-query.ts";
import { requestBody } from "./request-body.ts";
import { sendHeaders } from "./send-body.ts";

export async function uploadFile(uploads: Uploads, exchange: FilesExchange): Promise<void> {
  const { call, query, request, response } = exchange;
  const piece = readPiece(query, request);
  const content = requestBody(exchange);
  const info = await uploads.write(call, readTarget(query), piece, content, () => breakOff(response));
  if (info) return sendFileInfo(response, info);
  await sendProgress(uploads, exchange);
}

/** Also the answer to a piece that was not the last. */
export async function sendProgress(uploads: Uploads, { call, query, response }: FilesExchange): Promise<void> {
  const { offset, complete } = await uploads.progress(call, readTarget(query), readUploadId(query));
  sendHeaders(response, 204, {
    ...{ "upload-offset": String(offset), "upload-complete": complete ? "?1" : "?0" },
    "cache-control": "no-store",
  });
  response.end();
}

function readPiece(query: URLSearchParams, request: NodeRequest) {
  const uploadId = readUploadId(query);
  const offset = headerOf(request, "upload-offset") ?? "0";
  const complete = headerOf(request, "upload-complete") ?? "?1";
  if (!/^\d{1,15}$/.test(offset)) throw fieldProblem("upload-offset", "it must be a number of bytes");
  if (complete !== "?0" && complete !== "?1") throw fieldProblem("upload-complete", "it must be ?0 or ?1");
  if (headerOf(request, "content-encoding")) {
    throw fieldProblem("content-encoding", "an upload in pieces counts its bytes as they are: send it uncompressed");
  }
  return { uploadId, offset: BigInt(offset), last: complete === "?1" };
}

function readUploadId(query: URLSearchParams): string {
  const uploadId = query.get("upload_id") ?? "";
  check(UploadPieceSchema, create(UploadPieceSchema, { uploadId }));
  return uploadId;
}
