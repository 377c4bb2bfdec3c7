/** The states of a sandbox and every move between them. docs/sandbox-life.md says who makes them. */

export const sandboxStates = [
  "creating",
  "running",
  "pausing",
  "paused",
  "archiving",
  "archived",
  "resuming",
  "lost",
  "failed",
  "deleting",
  "deleted",
] as const;

export type SandboxState = (typeof sandboxStates)[number];

const targets = {
  creating: ["running", "failed", "deleting"],
  running: ["pausing", "lost", "failed", "deleting"],
  pausing: ["running", "paused", "failed", "deleting"],
  paused: ["archiving", "resuming", "deleting"],
  archiving: ["archived", "deleting"],
  archived: ["resuming", "deleting"],
  // Back to paused or archived: the resume gave up.
  resuming: ["running", "paused", "archived", "failed", "deleting"],
  // To failed: its host is back without it.
  lost: ["running", "resuming", "failed", "deleting"],
  failed: ["resuming", "deleting"],
  deleting: ["deleted"],
  // Undelete, until the tombstone's retention ends.
  deleted: ["paused"],
} as const satisfies Record<SandboxState, readonly SandboxState[]>;

/** Where a sandbox in this state may go. */
export function targetsOf(from: SandboxState): readonly SandboxState[] {
  return targets[from];
}

/** From where a sandbox may come into this state: the `where` of every compare-and-set. */
export function sourcesOf(to: SandboxState): readonly SandboxState[] {
  return sandboxStates.filter((from) => targetsOf(from).includes(to));
}

/** The host's CPU and memory are spoken for. A failed sandbox has only its disk. */
export const statesHoldingRoom = [
  "creating",
  "running",
  "pausing",
  "resuming",
  "lost",
  "deleting",
] as const satisfies readonly SandboxState[];

/** A server works on it and renews its claim. */
export const claimedStates = ["creating", "deleting"] as const satisfies readonly SandboxState[];
