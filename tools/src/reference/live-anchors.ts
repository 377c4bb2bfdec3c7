/** Links within a page that lead somewhere. */

/**
 * Links to anchors become links to the heading of what they name, and plain text where the page has none: griffe2md links every
 * type of a signature, also those of Python itself.
 */
export function liveAnchors(markdown: string): string {
  const anchors = anchorsOf(markdown);
  return markdown.replace(/\[([^\]\n]+)\]\(#([^)\s]+)\)/g, (_, text: string, target: string) => {
    const anchor = anchors.get(target.slice(target.lastIndexOf(".") + 1));
    return anchor === undefined ? text : `[${text}](#${anchor})`;
  });
}

/** Anchors of classes and functions of the page, the second heading level, as renderers make them: by name, numbered when they repeat. */
function anchorsOf(markdown: string): Map<string, string> {
  const anchors = new Map<string, string>();
  const seen = new Map<string, number>();
  for (const [, level = "", name = ""] of markdown.matchAll(/^(#+) `([^`\n]+)`$/gm)) {
    const slug = name.toLowerCase().replace(/[^\w-]/g, "");
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    if (level === "##") anchors.set(name, before === 0 ? slug : `${slug}-${before}`);
  }
  return anchors;
}
