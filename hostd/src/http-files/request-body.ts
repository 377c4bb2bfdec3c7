/** A request's body as it comes, decoded where it is compressed. It may end anywhere: the answer still goes out. */
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { decoderOf, through } from "./content-coding.ts";

/** A client that vanished sends nothing, for ever. */
const stallMs = 120_000;

export function requestBody(request: NodeRequest): AsyncIterable<Uint8Array> {
  const coding = headerOf(request, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity" || coding === "") return rawBody(request);
  const decoder = decoderOf(coding);
  if (!decoder) throw fieldProblem("content-encoding", "it must be gzip, zstd or identity");
  return decoded(rawBody(request), decoder);
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
  if (!request.complete) throw new Error("the request broke off");
}

async function* decoded(body: AsyncIterable<Uint8Array>, decoder: Parameters<typeof through>[1]) {
  try {
    yield* through(body, decoder);
  } catch (error) {
    if (!isCodingError(error)) throw error;
    throw fieldProblem("content-encoding", `the body is not what it says: ${error.message}`);
  }
}

function isCodingError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && /^(Z_|ZSTD_)/.test(String(error.code));
}
