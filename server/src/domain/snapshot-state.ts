/** The states of a snapshot and every move between them. docs/sandbox-life.md says who makes them. */

export const snapshotStates = ["creating", "ready", "deleting", "deleted"] as const;

export type SnapshotState = (typeof snapshotStates)[number];

const targets = {
  // To deleting: it could not be taken.
  creating: ["ready", "deleting"],
  ready: ["deleting"],
  deleting: ["deleted"],
  deleted: [],
} as const satisfies Record<SnapshotState, readonly SnapshotState[]>;

/** From where a snapshot may come into this state: the `where` of every compare-and-set. */
export function snapshotSourcesOf(to: SnapshotState): readonly SnapshotState[] {
  return snapshotStates.filter((from) => (targets[from] as readonly SnapshotState[]).includes(to));
}
