/** The sandboxes and snapshots that this server works on right now; renew-claims keeps their claims alive. */
export interface HeldClaims {
  /** Until disposed. */
  hold(id: string): Disposable;
  ids(): readonly string[];
}

export function createHeldClaims(): HeldClaims {
  const counts = new Map<string, number>();
  return {
    hold(id) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      return {
        [Symbol.dispose]() {
          const left = (counts.get(id) ?? 1) - 1;
          if (left === 0) counts.delete(id);
          else counts.set(id, left);
        },
      };
    },
    ids: () => [...counts.keys()],
  };
}
