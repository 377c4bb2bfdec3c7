import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { liveAnchors } from "./live-anchors.ts";

test("a link to what the page describes is mended, and one to what it does not is text", () => {
  const page =
    "## `Sandbox`\n\n### `metrics`\n\n(<code>[str](#str) | [Metrics](#daytonah.models.Metrics)</code>)\n\n## `Metrics`\n";
  expect(liveAnchors(page)).toBe(
    "## `Sandbox`\n\n### `metrics`\n\n(<code>str | [Metrics](#metrics-1)</code>)\n\n## `Metrics`\n",
  );
});

test("the reference of the Python client has no dead anchors", () => {
  const path = fileURLToPath(new URL("../../../docs/reference/sdk-py.md", import.meta.url));
  const page = readFileSync(path, "utf8");
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text = ""]) => text.toLowerCase().replace(/[^\w-]/g, ""));
  const targets = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = ""]) => target.replace(/-\d+$/, ""));
  expect(targets).toContain("daytonaherror");
  expect(targets.filter((target) => !headings.includes(target))).toEqual([]);
});
