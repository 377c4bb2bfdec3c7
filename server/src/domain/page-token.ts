/** Opaque page tokens: where the last page ended. */

/** The last row's sort keys. */
export type PagePosition = readonly string[];

/** `list` binds a token to its list: one of another list is refused. */
export function pageTokenOf(list: string, position: PagePosition): string {
  return Buffer.from(JSON.stringify([list, ...position])).toString("base64url");
}

/** The position, or undefined where the token is none of ours. */
export function readPageToken(list: string, token: string, parts: number): PagePosition | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (!Array.isArray(value) || value.length !== parts + 1 || value[0] !== list) return undefined;
    const position = value.slice(1);
    return position.every((part): part is string => typeof part === "string" && !part.includes("\0"))
      ? position
      : undefined;
  } catch {
    return undefined;
  }
}
