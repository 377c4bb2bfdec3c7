import type { StageTime } from "daytonah";
import type { Row } from "./report.ts";

/** The times of an operation's stages, over many of them. */
export class StageSamples {
  readonly #times = new Map<string, number[]>();

  add(stages: readonly StageTime[]): void {
    for (const { stage, ms } of stages) this.#times.set(stage, [...(this.#times.get(stage) ?? []), ms]);
  }

  of(stage: string): readonly number[] {
    return this.#times.get(stage) ?? [];
  }

  rows(): Row[] {
    return [...this.#times].map(([stage, values]) => ({ path: `– ${stage}`, values }));
  }
}
