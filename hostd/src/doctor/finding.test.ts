import { expect, test } from "vitest";
import { describeFindings } from "./finding.ts";

test("each finding is a line, and what needs mending says how", () => {
  const text = describeFindings([
    { name: "root", good: "yes", detail: "running as root" },
    { name: "reflinks", good: "limited", detail: "none", mend: "use XFS" },
    { name: "qemu", good: "no", detail: "not there", mend: "install it" },
  ]);
  expect(text).toBe(
    [
      "✓ root      running as root",
      "! reflinks  none",
      "            → use XFS",
      "✗ qemu      not there",
      "            → install it",
    ].join("\n"),
  );
});
