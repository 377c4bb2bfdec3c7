/** Pages of lists. */
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { type PagePosition, pageTokenOf, readPageToken } from "../domain/page-token.ts";

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

const defaultSize = 100;

export function sizeOfPage(request: PageRequest): number {
  return request.pageSize || defaultSize;
}

/** Where the page before ended; undefined for the first. */
export function positionOf(list: string, request: PageRequest, parts: number): PagePosition | undefined {
  if (request.pageToken === "") return undefined;
  const position = readPageToken(list, request.pageToken, parts);
  if (!position) throw badToken();
  return position;
}

/** A position of time and id, newest first. */
export function timePositionOf(list: string, request: PageRequest) {
  const position = positionOf(list, request, 2);
  if (!position) return undefined;
  if (!/^\d{1,15}$/.test(position[0] as string)) throw badToken();
  const createTime = new Date(Number(position[0]));
  return { createTime, id: position[1] as string };
}

/** `rows` has one more than the page where there is another page. */
export function pageOf<T>(list: string, rows: readonly T[], request: PageRequest, position: (row: T) => PagePosition) {
  const size = sizeOfPage(request);
  const page = rows.slice(0, size);
  const last = page.at(-1);
  return { page, nextPageToken: rows.length > size && last !== undefined ? pageTokenOf(list, position(last)) : "" };
}

function badToken() {
  return fieldProblem(
    "page_token",
    "is no token of this list.",
    "Send next_page_token of the page before, or nothing for the first page.",
  );
}
