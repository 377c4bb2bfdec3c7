/** The sandboxes that this server works on right now; renew-claims keeps their claims alive. */
export interface HeldClaims {
  /** Until disposed. */
  hold(sandboxId: string): Disposable;
  ids(): readonly string[];
}

export function createHeldClaims(): HeldClaims {
  const counts = new Map<string, number>();
  return {
    hold(sandboxId) {
      counts.set(sandboxId, (counts.get(sandboxId) ?? 0) + 1);
      return {
        [Symbol.dispose]() {
          const left = (counts.get(sandboxId) ?? 1) - 1;
          if (left === 0) counts.delete(sandboxId);
          else counts.set(sandboxId, left);
        },
      };
    },
    ids: () => [...counts.keys()],
  };
}
