/** How many VMs of a pool should wait. */
export interface PoolPolicy {
  readonly minReady: number;
  /** minReady where less. */
  readonly maxReady: number;
}

/** `demand`: creates within the pool's window. As many wait as came, within the bounds: the next window is served at once. */
export function wantedReady({ minReady, maxReady }: PoolPolicy, demand: number): number {
  return Math.max(minReady, Math.min(maxReady, demand));
}

/** So many boot at once, so that a pool that fills does not take the hosts' processors from the creates. */
const fillingAtOnce = 8;

/** How many to start now. */
export function toFill(
  wanted: number,
  { ready, filling }: { readonly ready: number; readonly filling: number },
): number {
  return Math.max(0, Math.min(wanted - ready - filling, fillingAtOnce - filling));
}
