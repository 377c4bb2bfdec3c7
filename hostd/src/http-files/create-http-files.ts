/** A sandbox's files over plain HTTP, for whoever does not speak rpc: browsers, curl, proxies. See docs/http-files.md. */
import { Code, ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { answerProblem } from "@daytonah/lib/answer-problem.ts";
import { typedError } from "@daytonah/lib/interceptors.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { breakOff, headerOf, isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import { requestIdHeader, requestIdKey, requestIdOf } from "@daytonah/lib/request-id.ts";
import { type FilesAddress, readFilesAddress } from "@daytonah/lib/sandbox-files.ts";
import type { Metrics } from "../api/metrics.ts";
import { type CallDeps, sandboxCall, tokenGenerationHeader } from "../api/sandbox-call.ts";
import type { Uploads } from "../api/uploads.ts";
import { getArchive, putArchive } from "./archive.ts";
import { Coders } from "./coders.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { getFile } from "./get-file.ts";
import { postFiles } from "./post-files.ts";
import { putFile } from "./put-file.ts";
import { sendProgress, uploadFile } from "./upload-file.ts";

export interface HttpFiles {
  /** Answers the request if its path is one of a sandbox's files; says false, and does nothing, if it is none. */
  handle(request: NodeRequest, response: NodeResponse): boolean;
  /** The same with an error. */
  fail(request: NodeRequest, response: NodeResponse, error: unknown): boolean;
}

export interface HttpFilesOptions {
  readonly metrics: Pick<Metrics, "observe">;
  readonly log: Logger;
}

type Action = (exchange: FilesExchange) => Promise<void>;

export function createHttpFiles(deps: CallDeps, uploads: Uploads, { metrics, log }: HttpFilesOptions): HttpFiles {
  const coders = new Coders();
  const upload = (exchange: FilesExchange) => uploadFile(uploads, exchange);
  const inPieces = ({ query }: FilesExchange) => query.has("upload_id");
  const actions: Readonly<Record<FilesAddress["resource"], Readonly<Record<string, Action>>>> = {
    files: {
      GET: getFile,
      HEAD: (exchange) => (inPieces(exchange) ? sendProgress(uploads, exchange) : getFile(exchange)),
      PUT: (exchange) => (inPieces(exchange) ? upload(exchange) : putFile(exchange)),
      PATCH: upload,
      POST: postFiles,
    },
    archive: { GET: getArchive, PUT: putArchive },
  };

  async function answer(request: NodeRequest, response: NodeResponse, address: FilesAddress, failure?: unknown) {
    const began = performance.now();
    const method = request.method ?? "";
    const requestId = requestIdOf(request.headers[requestIdHeader]);
    response.setHeader(requestIdHeader, requestId);
    const offered = actions[address.resource];
    const action = Object.hasOwn(offered, method) ? offered[method] : undefined;
    const name = `${address.resource} ${action ? method : "?"}`;
    try {
      if (failure !== undefined) throw failure;
      if (!action) throw problem("UNKNOWN_CALL", `${address.resource} can't be asked for ${method}.`);
      const call = sandboxCall(deps, contextOf(request, response, address.sandboxId, requestId));
      await action({ call, coders, query: address.query, request, response });
      metrics.observe(name, "ok", began);
    } catch (error) {
      const typed = typedError(error, requestId);
      metrics.observe(name, typed.code, began);
      if (isGone(response)) return; // the client went away
      const known = problemOf(typed);
      if (known?.code === Code.Internal) log.error("files.failed", { name, requestId, error: typed.cause });
      if (response.headersSent) return breakOff(response);
      request.resume(); // what the client still sends is thrown away
      if (known?.reason === "UNKNOWN_CALL" && !action) response.setHeader("allow", Object.keys(offered).join(", "));
      for (const [header, value] of headersOf(known?.options.metadata ?? {})) response.setHeader(header, value);
      const status = statusOf(known?.reason, request, action === undefined);
      answerProblem(response, typed, { requestId, head: method === "HEAD", ...(status ? { status } : {}) });
    }
  }

  const start = (request: NodeRequest, response: NodeResponse, failure?: unknown) => {
    const address = readFilesAddress(request.url ?? "");
    if (!address) return false;
    void answer(request, response, address, failure);
    return true;
  };
  return {
    handle: (request, response) => start(request, response),
    fail: (request, response, error) => start(request, response, error),
  };
}

/** Where the request, not the reason, says which one; undefined elsewhere. */
function statusOf(reason: string | undefined, request: NodeRequest, noAction: boolean): number | undefined {
  if (reason === "UNKNOWN_CALL" && noAction) return 405;
  return reason === "FILE_EXISTS" && headerOf(request, "if-none-match") !== undefined ? 412 : undefined;
}

/** What a call of the data plane is made of; the sandbox's name comes with the path here. */
function contextOf(request: NodeRequest, response: NodeResponse, sandboxId: string, requestId: string): HandlerContext {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new ConnectError("the client went away", Code.Canceled)));
  const requestHeader = new Headers({ "sandbox-id": sandboxId });
  for (const name of ["sandbox-epoch", tokenGenerationHeader]) {
    const value = headerOf(request, name);
    if (value !== undefined) requestHeader.set(name, value);
  }
  const values = createContextValues().set(requestIdKey, requestId);
  return { requestHeader, values, signal: gone.signal } as HandlerContext;
}

/** HTTP's own words for what the errors of ranges and uploads say. */
function* headersOf(metadata: Readonly<Record<string, string>>): Generator<[string, string]> {
  if (metadata.size !== undefined) yield ["content-range", `bytes */${metadata.size}`];
  if (metadata.expected_offset !== undefined) yield ["upload-offset", metadata.expected_offset];
}
