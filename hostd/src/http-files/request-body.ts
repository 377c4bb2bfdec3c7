/** A request's body as it comes, decoded where it is compressed. It may end anywhere: the answer still goes out. */
import { headerOf } from "@daytonah/lib/node-http.ts";
import { fieldProblem, problem } from "@daytonah/lib/problem.ts";
import { rawBody } from "../api/raw-body.ts";
import { canDecode, decode } from "./content-coding.ts";
import type { FilesExchange } from "./files-exchange.ts";

export function requestBody({ call, coders, request }: FilesExchange): AsyncIterable<Uint8Array> {
  const coding = headerOf(request, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity" || coding === "") return rawBody(request);
  if (!canDecode(coding)) throw fieldProblem("content-encoding", "it must be gzip, zstd or identity");
  return decoded(rawBody(request), coding, () => coders.take(call.sandboxId));
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
