/**
 * Keeps VMs warm that wait in a pool: a tiny program in each every while, so that what an exec touches stays in the caches of
 * guest and host, and the first one after a claim is as fast in an hour as in a second.
 */
import { randomUUID } from "node:crypto";
import { followProcess } from "../guest/follow-process.ts";
import type { VmDeps } from "./vm-deps.ts";
import type { VmEntry } from "./vm-entry.ts";

const everyMs = 20_000;
const longestMs = 10_000;

/** Lists of a sandbox's processes leave out those with this label. */
export const keepWarmTag = "daytonah-keep-warm";

export class StandbyKeeper {
  readonly #deps: VmDeps;
  readonly #user: string;
  /** One after the other: many at once would be a burst that warms nobody. */
  #round: Promise<void> | undefined;

  /** `user`: one that every guest has. */
  constructor(deps: VmDeps, user = "root") {
    this.#deps = deps;
    this.#user = user;
  }

  /** Goes round for as long as it is not disposed. */
  run(): Disposable {
    const timer = setInterval(() => void this.round(), everyMs).unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Once through all that wait; resolves when each was warmed, or did not answer. Joins one that is under way. */
  round(): Promise<void> {
    this.#round ??= this.#goRound().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #goRound(): Promise<void> {
    const { registry, lease, log } = this.#deps;
    for (const entry of registry.entries()) {
      if (lease.frozen) return;
      try {
        await warm(entry, this.#user);
      } catch (error) {
        log.debug("vm.keep_warm.failed", { vm: entry.sandboxId, error });
      }
    }
  }
}

async function warm({ record, live }: VmEntry, user: string): Promise<void> {
  if (record.pool !== "standby" || !live) return;
  const signal = AbortSignal.any([live.ended.signal, AbortSignal.timeout(longestMs)]);
  const value = {
    processId: randomUUID(),
    command: { case: "shell" as const, value: { line: ":" } },
    user,
    tag: keepWarmTag,
  };
  const onBreak = () => Promise.reject(new Error("its connection broke")); // the next round is soon
  const options = { signal, requestId: "", onBreak };
  for await (const event of followProcess(live.agent, { case: "startProcess", value }, options)) {
    if (event.case === "exited") return;
  }
}
