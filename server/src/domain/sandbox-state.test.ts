import { expect, test } from "vitest";
import { sandboxStates, sourcesOf, targetsOf } from "./sandbox-state.ts";

test("the table of transitions", () => {
  const table = sandboxStates.map((from) => `${from} → ${targetsOf(from).join(", ")}`).join("\n");
  expect(table).toMatchInlineSnapshot(`
    "filling → pooled, deleting
    pooled → creating, deleting
    creating → running, failed, deleting
    running → pausing, paused, resuming, lost, failed, deleting
    pausing → running, paused, failed, deleting
    paused → running, archiving, resuming, failed, deleting
    archiving → archived, deleting
    archived → resuming, deleting
    resuming → running, paused, archived, failed, deleting
    lost → running, paused, resuming, failed, deleting
    failed → running, paused, resuming, deleting
    deleting → deleted
    deleted → paused"
  `);
});

test("sources are the table read backwards", () => {
  for (const to of sandboxStates) {
    expect(sourcesOf(to)).toEqual(sandboxStates.filter((from) => targetsOf(from).includes(to)));
  }
});

test("delete is allowed in every state that has something to delete", () => {
  expect(sourcesOf("deleting")).toEqual(sandboxStates.filter((state) => !["deleting", "deleted"].includes(state)));
});
