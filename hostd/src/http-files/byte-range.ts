/** The part of a file that a request asks for. */
import { headerOf, type NodeRequest } from "@daytonah/lib/node-http.ts";
import { problem } from "@daytonah/lib/problem.ts";
import parseRange from "range-parser";
import type { FileValidators } from "./file-validators.ts";

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export function asksForRange(request: NodeRequest): boolean {
  return request.method === "GET" && headerOf(request, "range") !== undefined;
}

/**
 * Undefined for the whole file: also for what is no range, for several at once, and where `If-Range` names another state of
 * the file. Throws RANGE_INVALID for bytes that it does not have.
 */
export function rangeOf(request: NodeRequest, size: number, validators: FileValidators): ByteRange | undefined {
  const wanted = headerOf(request, "range");
  const condition = headerOf(request, "if-range");
  if (wanted === undefined || !asksForRange(request)) return undefined;
  if (condition !== undefined && condition !== validators.etag && condition !== validators.lastModified) {
    return undefined;
  }
  const ranges = parseRange(size, wanted);
  if (ranges === -1) {
    throw problem("RANGE_INVALID", `The file has ${size} bytes, and none in the range ${wanted.slice(0, 64)}.`, {
      metadata: { size: String(size) },
    });
  }
  if (ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return undefined;
  const [{ start, end }] = ranges as unknown as [parseRange.Range];
  return { offset: start, length: end - start + 1 };
}
