import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./setup/setup.ts";

const page = "docs/decisions/0003-libraries.md";

test("every runtime dependency from npm has its reason on the page of libraries", () => {
  const names = globSync("*/package.json", { cwd: root }).flatMap((file) => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, file), "utf8")) as {
      dependencies?: Record<string, string>;
    };
    return Object.keys(dependencies).filter((name) => name !== "daytonah" && !name.startsWith("@daytonah/"));
  });
  expect(names.length).toBeGreaterThan(10);
  const text = readFileSync(join(root, page), "utf8");
  const named = (name: string) => new RegExp(`[ (]${name}[ ,)]`).test(text);
  expect([...new Set(names)].filter((name) => !named(name))).toEqual([]);
});
