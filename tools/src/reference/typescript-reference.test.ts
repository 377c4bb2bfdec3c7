import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../setup/setup.ts";
import { publicDeclarations } from "./public-declarations.ts";

const declarations = publicDeclarations(join(root, "sdk-ts/src/index.ts"));

/** Said by their name and place, the same everywhere. */
const plain = /^(signal|cause|code|constructor|\[Symbol\.\w+\]|name)$/;

test("every public name of the TypeScript client is documented", () => {
  const bare = declarations.flatMap(({ name, doc, members }) => [
    ...(doc === "" ? [name] : []),
    ...members
      .filter((member) => member.doc === "" && !plain.test(member.name))
      .map((member) => `${name}.${member.name}`),
  ]);
  expect(bare).toEqual([]);
});

test("what is internal is not shown", () => {
  const process = declarations.find(({ name }) => name === "Process");
  expect(process?.members.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["id", "stdin", "pid", "kill", "then", "[Symbol.asyncIterator]"]),
  );
  expect(process?.members.filter(({ name }) => name.startsWith("#") || name === "constructor")).toEqual([]);
});
