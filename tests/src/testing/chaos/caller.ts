/** How the test's clients call: again where a fault cut a call off, by another control plane, until they know. */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { problemOf } from "@daytonah/lib/problem.ts";
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";
import type { Api } from "../api.ts";
import type { Random } from "../random.ts";
import type { Model } from "./model.ts";

export type Outcome<T> =
  | { readonly t: "done"; readonly value: T }
  /** By the platform, with a reason. */
  | { readonly t: "refused"; readonly reason: string }
  /** Whether it is done the client was not told; with what the last try ended with. */
  | { readonly t: "unsure"; readonly reason: string };

/** What says that another try may work. Without a reason of ours: what a call ends with whose process on its way is killed. */
const passing = new Set([
  ...["HOST_UNAVAILABLE", "DATABASE_UNAVAILABLE", "HOST_LOST", "AGENT_UNREACHABLE", "NO_CAPACITY"],
  ...[Code.Unavailable, Code.DeadlineExceeded, Code.Unknown, Code.Canceled, Code.Aborted, Code.Internal].map(
    (code) => Code[code],
  ),
]);

/** What a fault may end a call with. */
const allowedReasons = new Set([
  ...["BOOT_FAILED", "VM_DIED", "SNAPSHOT_FAILED", "RESTORE_FAILED", "HOST_NO_SPACE"],
  ...["SANDBOX_NOT_RUNNING", "SANDBOX_STATE_CONFLICT", "SANDBOX_PAUSED"],
]);

/** Longer than a host is away. */
const patienceMs = 60_000;

export class Caller {
  readonly #apis: readonly Api[];
  readonly #model: Model;
  #turn: number;

  constructor(apis: readonly Api[], model: Model, random: Random) {
    this.#apis = apis;
    this.#model = model;
    this.#turn = random.below(apis.length);
  }

  /** A call that can be made again: an idempotency key, or its nature, makes it the same call. */
  async repeated<T>(what: string, call: (api: Api) => Promise<T>): Promise<Outcome<T>> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const outcome = await this.#try(call);
      if (outcome.t !== "unsure" || performance.now() > until) return this.#told(what, outcome);
      await sleep(300);
    }
  }

  async once<T>(what: string, call: (api: Api) => Promise<T>): Promise<Outcome<T>> {
    return this.#told(what, await this.#try(call));
  }

  async #try<T>(call: (api: Api) => Promise<T>): Promise<Outcome<T>> {
    try {
      return { t: "done", value: await call(this.#apis[this.#turn] as Api) };
    } catch (error) {
      const reason = problemOf(error)?.reason ?? (Code[ConnectError.from(error).code] as string);
      if (!passing.has(reason)) return { t: "refused", reason };
      this.#turn = (this.#turn + 1) % this.#apis.length;
      return { t: "unsure", reason };
    }
  }

  #told<T>(what: string, outcome: Outcome<T>): Outcome<T> {
    const how =
      outcome.t === "done" ? outcome.t : outcome.t === "refused" ? outcome.reason : `unsure: ${outcome.reason}`;
    this.#model.count(`${what} ${how}`);
    if (outcome.t === "refused") {
      this.#model.check(allowedReasons.has(outcome.reason), `${what} was refused with ${outcome.reason}`);
    }
    return outcome;
  }
}

/** For a call that takes no idempotency key: of a repeat, this reason says that an earlier try had succeeded. */
export function orDone(reason: ReasonName, call: (api: Api) => Promise<unknown>): (api: Api) => Promise<void> {
  let tries = 0;
  return async (api) => {
    tries += 1;
    try {
      await call(api);
    } catch (error) {
      if (tries === 1 || problemOf(error)?.reason !== reason) throw error;
    }
  };
}
