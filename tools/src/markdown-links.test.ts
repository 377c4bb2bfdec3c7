/** Every link of every Markdown file in the tree leads somewhere: to a file that is there, and to an anchor that it has. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import GithubSlugger from "github-slugger";
import { marked, type Token } from "marked";
import { expect, test } from "vitest";
import { root } from "./setup/setup.ts";

interface Page {
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly string[];
}

function readPage(file: string): Page {
  const slugger = new GithubSlugger();
  const anchors = new Set<string>();
  const links: string[] = [];
  void marked.walkTokens(marked.lexer(readFileSync(join(root, file), "utf8")), (token: Token) => {
    if (token.type === "heading") anchors.add(slugger.slug(plainText(token.tokens ?? [])));
    if (token.type === "link" || token.type === "image") links.push(token.href);
    if (token.type !== "html") return;
    for (const [, id] of token.raw.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(id as string);
    for (const [, href] of token.raw.matchAll(/\bhref="([^"]+)"/g)) links.push(href as string);
  });
  return { anchors, links };
}

function plainText(tokens: readonly Token[]): string {
  return tokens.map((token) => ("tokens" in token && token.tokens ? plainText(token.tokens) : textOf(token))).join("");
}

function textOf(token: Token): string {
  if (token.type === "html") return "";
  return "text" in token ? unescaped(String(token.text)) : token.raw;
}

const unescaped = (text: string) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");

test("no link of a page is dead", () => {
  const files = execFileSync("git", ["ls-files", "-z", "*.md"], { cwd: root, encoding: "utf8" })
    .split("\0")
    .slice(0, -1);
  const pages = new Map(files.map((file) => [file, readPage(file)]));
  let followed = 0;
  const dead = [...pages].flatMap(([file, { links }]) =>
    links.flatMap((link) => {
      if (/^[a-z]+:/.test(link)) return []; // elsewhere: not asked
      followed += 1;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? file : normalize(join(dirname(file), decodeURI(path)));
      const missing = !existsSync(join(root, target));
      const lost = anchor !== undefined && extname(target) === ".md" && !pages.get(target)?.anchors.has(anchor);
      return missing || lost ? [`${file}: ${link}`] : [];
    }),
  );
  expect(followed).toBeGreaterThan(100);
  expect(dead).toEqual([]);
});
