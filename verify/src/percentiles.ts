/** Percentiles by nearest rank. */

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly count: number;
}

/** Of at least one number. */
export function percentilesOf(values: readonly number[]): Percentiles {
  if (values.length === 0) throw new RangeError("there is nothing to rank");
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), count: sorted.length };
}
