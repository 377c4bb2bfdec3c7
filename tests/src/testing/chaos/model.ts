/** What the clients were told, and so what must be true: sandboxes and snapshots, and the lines that were written to each. */

/** A line that a client had appended and flushed, or may have: it was not told. */
export interface Line {
  readonly text: string;
  readonly certain: boolean;
}

export type Content = readonly Line[];

/** How often what a sandbox's memory is lost by had come, up to a moment. */
export interface Losses {
  /** VMMs of the sandbox that were killed. */
  readonly vmmKills: number;
  /** Of each host, its reboots and kills of its daemon. */
  readonly ofHosts: ReadonlyMap<string, number>;
}

export interface KnownSandbox {
  readonly id: string;
  /** As last heard of. */
  hostId: string;
  readonly autoResume: boolean;
  /** More than one where a client was not told whether a roll back was made. */
  contents: readonly Content[];
  /** Whether it is paused, as far as its client knows. */
  paused: boolean | undefined;
  /** "asked": its client was not told whether it is gone. */
  deleted: "no" | "asked" | "yes";
  /** Of the memory that was last seen in it, and what its host had lost until then. */
  memory: { readonly bootId: string; readonly losses: Losses } | undefined;
  /** Of each host, before it was asked for. */
  readonly rebootsBefore: ReadonlyMap<string, number>;
}

export interface KnownSnapshot {
  readonly id: string;
  readonly sandboxId: string;
  readonly contents: readonly Content[];
  deleted: "no" | "asked" | "yes";
}

export class Model {
  readonly sandboxes = new Map<string, KnownSandbox>();
  readonly snapshots = new Map<string, KnownSnapshot>();
  /** How many sandboxes each request may have made: what a client was not told of may be there, once. */
  readonly requests = new Map<string, number>();
  /** What was not as it must be. */
  readonly problems: string[] = [];
  /** Of the clients' calls. */
  readonly outcomes = new Map<string, number>();
  checks = 0;

  count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  check(holds: boolean, problem: string): void {
    this.checks += 1;
    if (!holds) this.problems.push(problem);
  }

  /** Holds the lines that are in a sandbox against what must be there; afterwards only what fits them is believed. */
  checkContent(one: { readonly id: string; contents: readonly Content[] }, seen: readonly string[]): void {
    const fitting = one.contents.filter((content) => fits(content, seen));
    this.check(
      fitting.length > 0,
      `${one.id} has ${JSON.stringify(seen)} for ${one.contents.map(described).join(" or ")}`,
    );
    if (fitting.length > 0) one.contents = fitting;
  }
}

export const withLine = (contents: readonly Content[], line: Line) => contents.map((content) => [...content, line]);

/** Every certain line is there, in order, and once; others may be, once, wherever they came late. */
export function fits(content: Content, seen: readonly string[]): boolean {
  const texts = new Set(content.map(({ text }) => text));
  if (new Set(seen).size !== seen.length || seen.some((text) => !texts.has(text))) return false;
  const certain = content.filter((line) => line.certain).map(({ text }) => text);
  const certainSeen = seen.filter((text) => certain.includes(text));
  return certain.join("\n") === certainSeen.join("\n");
}

const described = (content: Content) => content.map(({ text, certain }) => (certain ? text : `${text}?`)).join(" ");
