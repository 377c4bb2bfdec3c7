/** PUT of a whole file: the path changes at once, when all of it came, or not at all. */
import { toJson } from "@bufbuild/protobuf";
import type * as guest from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { FileInfoSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { headerOf } from "@daytonah/lib/node-http.ts";
import { toFileInfo } from "../api/file-convert.ts";
import { createWhole, writeWhole } from "../api/write-file.ts";
import { validatorsOf } from "./file-validators.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { readTarget } from "./read-query.ts";
import { requestBody } from "./request-body.ts";
import { sendJson } from "./send-body.ts";

export async function putFile(exchange: FilesExchange): Promise<void> {
  const { call, query, request, response } = exchange;
  const target = readTarget(query);
  const write = headerOf(request, "if-none-match")?.trim() === "*" ? createWhole : writeWhole;
  sendFileInfo(response, await write(call, target, requestBody(exchange)));
}

export function sendFileInfo(response: FilesExchange["response"], info: guest.FileInfo): void {
  sendJson(response, toJson(FileInfoSchema, toFileInfo(info)), { etag: validatorsOf(info).etag });
}
