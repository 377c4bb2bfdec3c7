/** POST of a form with files, as browsers and many tools send them: each is written whole or not at all. */
import { toJson } from "@bufbuild/protobuf";
import { type FileInfo, FileInfoSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { headerOf } from "@daytonah/lib/node-http.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { toFileInfo } from "../api/file-convert.ts";
import { writeWhole } from "../api/write-file.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { readForm } from "./read-form.ts";
import { readTarget } from "./read-query.ts";
import { requestBody } from "./request-body.ts";
import { sendJson } from "./send-body.ts";

/** Where one fails, those before it may be there. */
export async function postFiles(exchange: FilesExchange): Promise<void> {
  const { call, query, request, response } = exchange;
  const contentType = headerOf(request, "content-type") ?? "";
  const files: FileInfo[] = [];
  const written = new Set<string>();
  for await (const { filename, content } of readForm(contentType, requestBody(exchange))) {
    const target = readTarget(query, pathOf(query.get("path") ?? "", filename));
    if (written.has(target.path)) throw fieldProblem("path", "two files of the form are for the same path");
    written.add(target.path);
    files.push(toFileInfo(await writeWhole(call, target, content)));
  }
  if (files.length === 0) throw fieldProblem("body", "the form has no file");
  sendJson(response, { files: files.map((file) => toJson(FileInfoSchema, file)) });
}

/** A path that ends in "/" is the directory of all files, any other is the one file's; without one each file names its own. */
function pathOf(path: string, filename: string): string {
  if (path !== "" && !path.endsWith("/")) return path;
  if (filename === "") throw fieldProblem("body", "a file of the form has no name, and `path` names none for it");
  if (path === "") return filename;
  if (filename.startsWith("/") || filename.split("/").includes("..")) {
    throw fieldProblem("body", `a file's name leads out of ${path.slice(0, 256)}`);
  }
  return path + filename;
}
