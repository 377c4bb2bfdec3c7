/** Files of a fake sandbox over plain HTTP: parts of files, uploads in pieces, archives that are no more than their bytes. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { create, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { FileInfoSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fakeError } from "./fake-error.ts";
import { open, writePiece } from "./fake-file-service.ts";
import type { FakeSandbox, FakeState } from "./fake-state.ts";

const chunkBytes = 256 * 1024;
const arrivalMs = 20;

interface Exchange {
  readonly sandbox: FakeSandbox;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** How many pieces of the answer go out before its connection is cut. */
  readonly cutAfter: number;
}

/** False where the address is another. Faults are named `GET files`, `PUT archive` and so on. */
export function fakeHttpFiles(
  platform: FakeState,
  isDirect: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { pathname, searchParams: query } = new URL(request.url ?? "", "http://fake");
  const [, id = "", resource] = /^\/v1\/sandboxes\/([a-z0-9]+)\/(files|archive)$/.exec(pathname) ?? [];
  if (!resource) return false;
  const method = `${request.method} ${resource}`;
  const answer = async () => {
    const fault = platform.faults.take(method);
    if (fault?.t === "error") throw fault.error;
    const sandbox = platform.admit(method, id, request.headers.authorization, isDirect);
    const cutAfter = fault ? (fault.t === "cutAfter" ? fault.events : 0) : Number.POSITIVE_INFINITY;
    const exchange = { sandbox, path: query.get("path") ?? "", query, request, response, cutAfter };
    if (method === "GET files") await getFile(exchange);
    else if (method === "HEAD files") headUpload(exchange);
    else if (method === "PUT files") await putFile(platform, exchange);
    else if (method === "GET archive") await send(exchange, open(sandbox, exchange.path).data);
    else await putArchive(exchange);
  };
  answer().catch((error: unknown) => {
    const failure = ConnectError.from(error);
    response.writeHead(failure.code === Code.OutOfRange ? 416 : codeToHttpStatus(failure.code));
    response.end(JSON.stringify(errorToJson(failure, undefined)));
  });
  return true;
}

async function getFile(exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const { data, changed } = open(exchange.sandbox, exchange.path);
  const etag = `"${data.length}-${changed}"`;
  const [, start = "", end = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const isSame = [undefined, etag].includes(request.headers["if-range"] as string | undefined);
  if (isSame && Number(start) >= data.length) throw fakeError(Code.OutOfRange, "RANGE_INVALID", "No such bytes.");
  response.setHeader("etag", etag);
  response.statusCode = isSame ? 206 : 200;
  await send(exchange, isSame ? data.subarray(Number(start), end === "" ? undefined : Number(end) + 1) : data);
}

function headUpload({ sandbox, query, response }: Exchange): void {
  const have = sandbox.uploads.get(query.get("upload_id") ?? "");
  response.writeHead(204, { "upload-offset": String(have?.length ?? 0), "upload-complete": "?0" }).end();
}

async function putFile(platform: FakeState, exchange: Exchange): Promise<void> {
  const { sandbox, path, query, request } = exchange;
  const data = await buffer(request);
  const [offset, last] = [Number(request.headers["upload-offset"]), request.headers["upload-complete"] === "?1"];
  platform.writes.push({ size: data.length, offset, last });
  const uploadId = query.get("upload_id") ?? "";
  const mode = Number.parseInt(query.get("mode") ?? "0", 8);
  const info = writePiece(sandbox, { path, data, mode, piece: { uploadId, offset: BigInt(offset), last } });
  const said = info ? toJsonString(FileInfoSchema, create(FileInfoSchema, info)) : "";
  await send(exchange, new TextEncoder().encode(said));
}

async function putArchive(exchange: Exchange): Promise<void> {
  const { sandbox, path, query, request } = exchange;
  const data = new Uint8Array(await buffer(request));
  const owner = query.has("keep_owner") ? "root" : "user";
  sandbox.files.set(path, { data, mode: 0o644, changed: Date.now(), owner });
  await send(exchange, new TextEncoder().encode(JSON.stringify({ entries: "1", bytes: String(data.length) })));
}

async function send({ request, response, cutAfter }: Exchange, data: Uint8Array): Promise<void> {
  response.setHeader("content-length", data.length);
  if (cutAfter === Number.POSITIVE_INFINITY) return void response.end(data);
  for (let piece = 0; piece < cutAfter; piece++) {
    response.write(data.subarray(piece * chunkBytes, (piece + 1) * chunkBytes));
  }
  await new Promise((resolve) => setTimeout(resolve, arrivalMs));
  request.socket.destroy();
}
