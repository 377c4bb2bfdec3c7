/** What a file made from another shall be. */
export interface DesiredCopy {
  readonly source: string;
  readonly target: string;
  /** Grows the copy to this; absent keeps the source's size. Never shrinks: a file system lies in it. */
  readonly sizeBytes?: number;
  readonly owner: Owner;
  /** Default 0600. */
  readonly mode?: number;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whether the target's file system shares blocks between files. */
export type CopyMethod = "reflink" | "sparse";

export type DiskStep =
  | { readonly step: "remove"; readonly path: string }
  /** Shares the source's blocks. */
  | { readonly step: "reflink"; readonly source: string; readonly target: string }
  | { readonly step: "run"; readonly argv: readonly string[] }
  | { readonly step: "grow"; readonly path: string; readonly sizeBytes: number }
  | { readonly step: "chown"; readonly path: string; readonly owner: Owner }
  | { readonly step: "chmod"; readonly path: string; readonly mode: number }
  | { readonly step: "rename"; readonly from: string; readonly to: string };

/**
 * The steps that make a copy. It is built beside its place and moved there last: a target that exists is whole, and
 * the list may be run again after any crash.
 */
export function planCopy(desired: DesiredCopy, method: CopyMethod): readonly DiskStep[] {
  const draft = `${desired.target}.draft`;
  const steps: DiskStep[] = [{ step: "remove", path: draft }];
  if (method === "reflink") {
    steps.push({ step: "reflink", source: desired.source, target: draft });
  } else {
    // Zeros become holes: most of a root disk or of a guest's memory is empty.
    steps.push({ step: "run", argv: ["cp", "--reflink=auto", "--sparse=always", "--", desired.source, draft] });
  }
  if (desired.sizeBytes !== undefined) {
    steps.push({ step: "grow", path: draft, sizeBytes: desired.sizeBytes });
  }
  steps.push({ step: "chmod", path: draft, mode: desired.mode ?? 0o600 });
  steps.push({ step: "chown", path: draft, owner: desired.owner });
  steps.push({ step: "rename", from: draft, to: desired.target });
  return steps;
}
