/** The time of each stage of an operation, and which one runs. */
import type { StageTime } from "./vm-record.ts";

export class Stages {
  readonly done: StageTime[] = [];
  current: StageTime["stage"];

  constructor(first: StageTime["stage"]) {
    this.current = first;
  }

  async time<T>(stage: StageTime["stage"], work: () => Promise<T>): Promise<T> {
    this.current = stage;
    const began = performance.now();
    const result = await work();
    this.done.push({ stage, ms: performance.now() - began });
    return result;
  }

  /** A part of the last one is a stage of its own. A guest says how long it was: it can't have been longer than the whole. */
  split(stage: StageTime["stage"], ms: number): void {
    const last = this.done.pop();
    if (!last) return;
    const part = Math.min(Math.max(0, ms), last.ms);
    this.done.push({ ...last, ms: last.ms - part }, { stage, ms: part });
  }
}
