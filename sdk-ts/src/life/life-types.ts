/** Options and answers of what happens to a sandbox as a whole. */
import type { SandboxState } from "../sandbox-types.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** What every call takes that waits for the host. */
export interface LifeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest wait, milliseconds; 120,000 where absent. */
  readonly timeoutMs?: number | undefined;
}

/** Options of `sandbox.fork` and `sandbox.forkMany`. */
export interface ForkOptions extends LifeOptions {
  /** Labels of each child; the parent's are not taken over. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Environment of programs that each child starts later, beside and over the parent's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** When each child ends or pauses by itself; never where absent. The parent's is not taken over. */
  readonly lifecycle?: Lifecycle | undefined;
}

/** Options of `sandbox.snapshot`. */
export interface SnapshotOptions extends LifeOptions {
  /** A name for people, 256 bytes at most. */
  readonly name?: string | undefined;
  /** Your labels, 64 at most. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** A relative of a sandbox. */
export interface Relative {
  /** Its id. */
  readonly sandboxId: string;
  /** Where it is in its life; it may be deleted. */
  readonly state: SandboxState;
  /** The snapshot it was made from; undefined for a fork. */
  readonly snapshotId: string | undefined;
  /** When it was made. */
  readonly createTime: Date;
}

/** Where a sandbox comes from, and what was made of it. */
export interface Lineage {
  /** Its parent, the parent's parent and so on. */
  readonly ancestors: readonly Relative[];
  /** Forks of it and sandboxes made from its snapshots, oldest first. */
  readonly children: readonly Relative[];
}
