/** One thing that was examined on this host. */
export interface Finding {
  readonly name: string;
  /** `yes`: as it should be. `limited`: it works, with less. `no`: sandboxes can't run. */
  readonly good: "yes" | "limited" | "no";
  /** What was seen. */
  readonly detail: string;
  /** How to mend it, where it needs mending. */
  readonly mend?: string;
}

const marks = { yes: "✓", limited: "!", no: "✗" } as const;

/** For people: a line each, and the mend below it. */
export function describeFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  return findings
    .flatMap(({ name, good, detail, mend }) => [
      `${marks[good]} ${name.padEnd(width)}  ${detail}`,
      ...(mend === undefined ? [] : [`  ${" ".repeat(width)}  → ${mend}`]),
    ])
    .join("\n");
}
