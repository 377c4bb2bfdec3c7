/**
 * Server streams in the protocol that our own client speaks (Connect with protobuf over HTTP/2), without connect-es's general
 * machinery: that costs about a millisecond a call, most of an exec's round trip. Same handlers, same checks, same
 * errors; every other protocol, and what is not plain here, goes the general way. See docs/decisions/0005-quick-streams.md.
 */
import type { Http2ServerResponse } from "node:http2";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { bodyTooLarge } from "@daytonah/lib/body-too-large.ts";
import { check, typedError } from "@daytonah/lib/interceptors.ts";
import type { Logger } from "@daytonah/lib/log.ts";
import { isGone, type NodeRequest, type NodeResponse } from "@daytonah/lib/node-http.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { requestIdHeader, requestIdKey, requestIdOf } from "@daytonah/lib/request-id.ts";
import type { Metrics } from "./metrics.ts";

/** What our handlers take of connect-es's context. */
type QuickContext = Pick<HandlerContext, "requestHeader" | "signal" | "values">;

interface QuickStream {
  readonly path: string;
  readonly name: string;
  /** Decoded, checked, run, encoded. */
  run(body: Uint8Array, context: QuickContext): AsyncIterable<Uint8Array>;
}

interface StreamMethod<I extends DescMessage, O extends DescMessage> {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: I;
  readonly output: O;
}

export function quickStream<I extends DescMessage, O extends DescMessage>(
  { name, parent, input, output }: StreamMethod<I, O>,
  handler: (request: MessageShape<I>, context: HandlerContext) => AsyncIterable<unknown>,
): QuickStream {
  return {
    ...{ name, path: `/${parent.typeName}/${name}` },
    async *run(body, context) {
      const request = decode(input, body);
      check(input, request);
      // Handlers yield whole messages: they would pay for a conversion here otherwise.
      for await (const message of handler(request, context as HandlerContext)) {
        yield toBinary(output, message as MessageShape<O>);
      }
    },
  };
}

export interface QuickStreamsOptions {
  readonly metrics: Pick<Metrics, "observe">;
  readonly log: Logger;
  readonly maxBodyBytes: number;
}

const prefixBytes = 5;

/** Answers a call it can answer; says false, and does nothing, where it can't. */
export function createQuickStreams(streams: readonly QuickStream[], options: QuickStreamsOptions) {
  const byPath = new Map(streams.map((stream) => [stream.path, stream]));
  return (request: NodeRequest, response: NodeResponse): boolean => {
    const stream = byPath.get(request.url ?? "");
    if (!stream || request.httpVersionMajor !== 2 || request.method !== "POST") return false;
    const { headers } = request;
    if (headers["content-type"] !== "application/connect+proto" || headers["content-encoding"]) return false;
    if ((headers["connect-content-encoding"] ?? "identity") !== "identity") return false;
    void answer(stream, request, response as Http2ServerResponse, options);
    return true;
  };
}

async function answer(
  stream: QuickStream,
  request: NodeRequest,
  response: Http2ServerResponse,
  options: QuickStreamsOptions,
) {
  const { metrics, log, maxBodyBytes } = options;
  const began = performance.now();
  const requestId = requestIdOf(request.headers[requestIdHeader]);
  using call = callSignal(request, response);
  let end: Buffer;
  try {
    const body = await readMessage(request, maxBodyBytes);
    const values = createContextValues().set(requestIdKey, requestId);
    const context = { signal: call.signal, values, requestHeader: headersOf(request) };
    let first = true;
    for await (const message of stream.run(body, context)) {
      if (first) {
        metrics.observe(stream.name, "ok", began);
        sendHeaders(response, requestId);
        first = false;
      }
      if (!write(response, message)) await drained(response, call.signal);
    }
    end = endOf(undefined);
  } catch (error) {
    if (isGone(response) || response.writableEnded) return; // the client went away
    const typed = typedError(call.signal.aborted ? call.signal.reason : error, requestId);
    metrics.observe(stream.name, typed.code, began);
    if (problemOf(typed)?.code === Code.Internal) {
      log.error("rpc.failed", { rpc: stream.path, requestId, error: typed.cause });
    }
    end = endOf(typed);
  }
  if (!response.headersSent) sendHeaders(response, requestId);
  response.end(end);
}

/** Aborts when the client goes away, or when the time it gave is over. */
function callSignal(
  request: NodeRequest,
  response: Http2ServerResponse,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const onClose = () => controller.abort(new ConnectError("the client went away", Code.Canceled));
  response.on("close", onClose);
  const timeoutMs = Number(request.headers["connect-timeout-ms"] ?? Number.NaN);
  const onTimeout = () => controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  const timer = timeoutMs >= 0 && timeoutMs < 2 ** 31 ? setTimeout(onTimeout, timeoutMs) : undefined;
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      response.off("close", onClose);
      clearTimeout(timer);
    },
  };
}

/** The body's one message. */
async function readMessage(request: NodeRequest, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw bodyTooLarge(maxBytes);
    chunks.push(chunk);
  }
  const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  if (size < prefixBytes || body[0] !== 0 || body.readUInt32BE(1) !== size - prefixBytes) {
    throw new ConnectError("the body must be one message, uncompressed", Code.InvalidArgument);
  }
  return body.subarray(prefixBytes);
}

function decode<I extends DescMessage>(schema: I, body: Uint8Array): MessageShape<I> {
  try {
    return fromBinary(schema, body, { readUnknownFields: false });
  } catch (cause) {
    throw new ConnectError("the body is no such message", Code.InvalidArgument, undefined, undefined, cause);
  }
}

function headersOf(request: NodeRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === "string" && !name.startsWith(":")) headers.set(name, value);
  }
  return headers;
}

function sendHeaders(response: Http2ServerResponse, requestId: string): void {
  response.writeHead(200, { "content-type": "application/connect+proto", [requestIdHeader]: requestId });
}

/** What is written in one turn of the event loop goes out in one piece. */
function write(response: Http2ServerResponse, message: Uint8Array): boolean {
  const { stream } = response;
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
  return response.write(envelope(0, message));
}

function envelope(flags: number, message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefixBytes + message.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, prefixBytes);
  return bytes;
}

function endOf(error: ConnectError | undefined): Buffer {
  return envelope(endStreamFlag, Buffer.from(JSON.stringify(endStreamToJson(new Headers(), error, undefined))));
}

function drained(response: Http2ServerResponse, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const settle = () => {
      response.off("drain", settle).off("close", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted || isGone(response)) reject(signal.reason ?? new Error("closed"));
      else resolve();
    };
    response.on("drain", settle).on("close", settle);
    signal.addEventListener("abort", settle);
  });
}
