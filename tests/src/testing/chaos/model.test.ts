import { expect, test } from "vitest";
import { type Content, fits, Model, withLine } from "./model.ts";

const certain = (text: string) => ({ text, certain: true });
const perhaps = (text: string) => ({ text, certain: false });
const content: Content = [certain("a"), perhaps("b"), certain("c")];

test.each([
  ["all that was told", ["a", "b", "c"], true],
  ["without what nobody was told of", ["a", "c"], true],
  ["which came late", ["a", "c", "b"], true],
  ["without an acknowledged line", ["a", "b"], false],
  ["in another order", ["c", "a"], false],
  ["a line twice", ["a", "a", "c"], false],
  ["a line of another", ["a", "c", "x"], false],
] as const)("%s", (_, seen, expected) => {
  expect(fits(content, seen)).toBe(expected);
});

test("of two contents that may be, what is seen decides for good", () => {
  const model = new Model();
  const one = { id: "one", contents: [content, [certain("a")]] as readonly Content[] };
  model.checkContent(one, ["a"]);
  one.contents = withLine(one.contents, certain("d"));
  model.checkContent(one, ["a", "c", "d"]);
  expect(model.problems).toEqual([`one has ["a","c","d"] for a d`]);
});
