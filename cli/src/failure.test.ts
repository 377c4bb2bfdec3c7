import { InvalidArgumentError } from "daytonah";
import { expect, test } from "vitest";
import { failureText } from "./failure.ts";

const nextStep = "Correct the fields that are named and call again.";
const low = { field: "resources.memory_mib", rule: "uint32.gte", message: "must be at least 128" };
const long = { field: "metadata", rule: "map.max_pairs", message: "must have\nat most 64 entries" };

test("one wrong field is told by the sentence; of several, each on a line of its own", () => {
  const code = "invalid_argument";
  const one = new InvalidArgumentError(`${low.field}: ${low.message}`, { code, nextStep, violations: [low] });
  expect(failureText(one)).toBe(`dnah: resources.memory_mib: must be at least 128\nnext: ${nextStep}\n`);
  const several = { code, nextStep, violations: [low, long] } as const;
  expect(failureText(new InvalidArgumentError(`${low.field}: ${low.message} (and 1 more)`, several))).toBe(
    `dnah: resources.memory_mib: must be at least 128 (and 1 more)
  resources.memory_mib: must be at least 128
  metadata: must have at most 64 entries
next: ${nextStep}
`,
  );
});
