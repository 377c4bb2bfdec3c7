/** Lists that come in pages. */

/** Options of every list. */
export interface ListOptions {
  /** Items asked for at once, 1 to 1,000; 100 where absent. It changes the number of calls, not of items. */
  readonly pageSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface PageRequest {
  pageSize: number;
  pageToken: string;
}

/** All items, page by page; a page is asked for when the one before is used up. */
export async function* pages<T>(
  options: ListOptions,
  fetchPage: (page: PageRequest) => Promise<{ items: readonly T[]; nextPageToken: string }>,
): AsyncGenerator<T, void, undefined> {
  let pageToken = "";
  do {
    const { items, nextPageToken } = await fetchPage({ pageSize: options.pageSize ?? 0, pageToken });
    yield* items;
    pageToken = nextPageToken;
  } while (pageToken);
}
