/** A request's body as it comes, decoded where it is compressed. It may end anywhere: the answer still goes out. */
import { wasReset } from "@daytonah/lib/edge/join-streams.ts";
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { fieldProblem, problem } from "@daytonah/lib/problem.ts";
import { canDecode, decode } from "./content-coding.ts";
import type { FilesExchange } from "./files-exchange.ts";

/** A client that vanished sends nothing, for ever. */
const stallMs = 120_000;

export function requestBody({ call, coders, request }: FilesExchange): AsyncIterable<Uint8Array> {
  const coding = headerOf(request, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity" || coding === "") return rawBody(request);
  if (!canDecode(coding)) throw fieldProblem("content-encoding", "it must be gzip, zstd or identity");
  return decoded(rawBody(request), coding, () => coders.take(call.sandboxId));
}

async function* rawBody(request: NodeRequest): AsyncGenerator<Uint8Array> {
  const stalled = () => request.destroy(new Error(`nothing came for ${stallMs} ms`));
  // Left early, a plain `for await` destroys the request, and with it the connection that the answer needs.
  const chunks = request.iterator({ destroyOnReturn: false });
  for (;;) {
    const timer = setTimeout(stalled, stallMs);
    const next = await chunks.next().finally(() => clearTimeout(timer));
    if (next.done) break;
    yield next.value as Uint8Array;
  }
  // An HTTP/2 request says that it is complete even then.
  const broken = "stream" in request ? wasReset(request.stream) : !request.complete;
  if (broken) throw new Error("the request broke off");
}

async function* decoded(body: AsyncIterable<Uint8Array>, coding: string, take: () => Disposable | undefined) {
  using coder = take();
  if (!coder) {
    const message = "The sandbox unpacks as many bodies as it may at a time.";
    throw problem("GUEST_LIMIT_EXCEEDED", message, { retryDelayMs: 1_000 });
  }
  try {
    yield* decode(body, coding);
  } catch (error) {
    if (!isCodingError(error)) throw error;
    throw fieldProblem("content-encoding", `the body is not what it says: ${error.message}`);
  }
}

function isCodingError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && /^(Z_|ZSTD_)/.test(String(error.code));
}
