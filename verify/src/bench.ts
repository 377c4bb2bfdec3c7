/** What the sections of one run share: options, floors that are measured when the first of them asks, and what went wrong. */

import { type DataFloors, measureDataFloors } from "./floors/data-floors.ts";
import { type DatabaseFloors, measureDatabaseFloors } from "./floors/database-floors.ts";
import { type LifeFloors, measureLifeFloors } from "./floors/life-floors.ts";
import type { PerfOptions } from "./options.ts";
import type { Table } from "./report.ts";

export interface Bench {
  readonly options: PerfOptions;
  readonly dataFloors: () => DataFloors;
  readonly lifeFloors: () => LifeFloors;
  readonly databaseFloors: () => DatabaseFloors;
  /** What the platform promises and did not keep. */
  readonly violations: string[];
  readonly progress: (text: string) => void;
}

export interface Section {
  readonly name: string;
  /** "data": creates, calls and content; "life": what happens to a sandbox as a whole. */
  readonly group: "data" | "life";
  readonly run: (bench: Bench) => Promise<readonly Table[]>;
}

export function createBench(options: PerfOptions): Bench {
  const progress = (text: string) => void process.stderr.write(`${text} ...\n`);
  const once = <T>(name: string, measure: (options: PerfOptions) => T) => {
    let measured: T | undefined;
    return () => {
      if (measured === undefined) progress(`floors of ${name}`);
      measured ??= measure(options);
      return measured;
    };
  };
  return {
    options,
    dataFloors: once("creates and calls", measureDataFloors),
    lifeFloors: once("snapshots and restores", measureLifeFloors),
    databaseFloors: once("the database", measureDatabaseFloors),
    violations: [],
    progress,
  };
}
