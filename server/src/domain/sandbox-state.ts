/** The states of a sandbox and every move between them. docs/sandbox-life.md says who makes them. */

export const sandboxStates = [
  "filling",
  "pooled",
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
  // VMs of warm pools, which are nobody's; a create that claims one goes on from creating.
  filling: ["pooled", "deleting"],
  pooled: ["creating", "deleting"],
  creating: ["running", "failed", "deleting"],
  // To paused: its host paused it by itself. To resuming: it is rolled back.
  running: ["pausing", "paused", "resuming", "lost", "failed", "deleting"],
  pausing: ["running", "paused", "failed", "deleting"],
  // To running: its host woke it by itself.
  paused: ["running", "archiving", "resuming", "failed", "deleting"],
  archiving: ["archived", "deleting"],
  archived: ["resuming", "deleting"],
  // Back to paused or archived: the resume gave up.
  resuming: ["running", "paused", "archived", "failed", "deleting"],
  // To failed: its host is back without it.
  lost: ["running", "paused", "resuming", "failed", "deleting"],
  // To running or paused: its host has it after all. To resuming: from its disk.
  failed: ["running", "paused", "resuming", "deleting"],
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

/** The host's CPU and memory are spoken for. A paused or failed sandbox has only what is on disk. */
export const statesHoldingRoom = [
  "filling",
  "pooled",
  "creating",
  "running",
  "pausing",
  "resuming",
  "lost",
  "deleting",
] as const satisfies readonly SandboxState[];

/** A server works on it and renews its claim. */
export const claimedStates = [
  "filling",
  "creating",
  "pausing",
  "resuming",
  "deleting",
] as const satisfies readonly SandboxState[];

export type ClaimedState = (typeof claimedStates)[number];

export function isClaimed(state: SandboxState): state is ClaimedState {
  return (claimedStates as readonly SandboxState[]).includes(state);
}
