/** Times of things done once, many times, all at once, or while something else lasts. Milliseconds. */
import { interruption } from "./interruption.ts";

export async function timed<T>(work: () => PromiseLike<T>): Promise<[T, number]> {
  const began = performance.now();
  const result = await work();
  return [result, performance.now() - began];
}

/** After a few that don't count: connections and code paths warm up. */
export async function repeat(count: number, work: () => PromiseLike<unknown>, warmUp = 5): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count + warmUp; n += 1) {
    interruption.throwIfAborted();
    const [, ms] = await timed(work);
    if (n >= warmUp) times.push(ms);
  }
  return times;
}

export function atOnce(count: number, work: () => PromiseLike<unknown>): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, async () => (await timed(work))[1]));
}

/** As often as it goes while the other lasts, once at least. */
export async function repeatDuring(other: Promise<unknown>, work: () => PromiseLike<unknown>): Promise<number[]> {
  let over = false;
  void other.finally(() => {
    over = true;
  });
  const times: number[] = [];
  while (!over || times.length === 0) times.push((await timed(work))[1]);
  return times;
}

const mib = 1024 * 1024;

/** Of `bytes` moved by the work, in MiB/s. */
export async function rate(bytes: number, work: () => PromiseLike<unknown>): Promise<number> {
  const [, ms] = await timed(work);
  return bytes / mib / (ms / 1000);
}
