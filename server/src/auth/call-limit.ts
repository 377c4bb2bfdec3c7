/** How many calls an organization may have under way at this server: docs/decisions/0018-calls-under-way.md. */
import { problem } from "@daytonah/lib/problem.ts";

/** What is counted apart, so that none of them can use up another's room. */
export const callKinds = ["calls", "streams", "admin"] as const;

/**
 * streams: what is passed on to a sandbox, and events. admin: what operators do, and owners with their keys, so that a key
 * can be revoked whose calls are too many. calls: everything else.
 */
export type CallKind = (typeof callKinds)[number];

export interface CallLimit {
  /** Counts a call until it is disposed. Throws TOO_MANY_CALLS. `who`: an organization, or a credential before it is known whose it is. */
  enter(who: string, kind: CallKind): Disposable;
  readonly underWay: Readonly<Record<CallKind, number>>;
  readonly refused: Readonly<Record<CallKind, number>>;
}

const names: Readonly<Record<CallKind, string>> = {
  calls: "calls",
  streams: "calls into sandboxes and streams of events",
  admin: "calls for operators and owners of keys",
};
/** Those who are refused at once are asked to come back one after the other. */
const retryDelaysMs = [1_000, 1_250, 1_500, 1_750, 2_000, 2_250, 2_500, 2_750] as const;

/** Of everyone; of all hosts that join, too. */
const maxAdmin = 100;

/** `most`: of everyone. */
export function createCallLimit(options: Readonly<Record<"calls" | "streams", number>>): CallLimit {
  const most = { ...options, admin: maxAdmin };
  const counts = { calls: new Map<string, number>(), streams: new Map(), admin: new Map() };
  const underWay = { calls: 0, streams: 0, admin: 0 };
  const refused = { calls: 0, streams: 0, admin: 0 };
  return {
    enter(who, kind) {
      const ofKind = counts[kind];
      const count = ofKind.get(who) ?? 0;
      if (count >= most[kind]) throw tooMany(kind, most[kind], refused[kind]++);
      ofKind.set(who, count + 1);
      underWay[kind] += 1;
      const stack = new DisposableStack(); // which lets go once, however often it is disposed
      stack.defer(() => {
        const left = (ofKind.get(who) ?? 1) - 1;
        if (left > 0) ofKind.set(who, left);
        else ofKind.delete(who);
        underWay[kind] -= 1;
      });
      return stack;
    },
    underWay,
    refused,
  };
}

function tooMany(kind: CallKind, limit: number, turn: number) {
  return problem("TOO_MANY_CALLS", `${limit} ${names[kind]} of yours are under way at this server already.`, {
    metadata: { kind, limit: String(limit) },
    retryDelayMs: retryDelaysMs[turn % retryDelaysMs.length] as number,
  });
}
