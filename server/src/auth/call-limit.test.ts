import { Problem } from "@daytonah/lib/problem.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type CallKind, createCallLimit } from "./call-limit.ts";

test("whatever comes and goes, everyone has at most as many of each kind under way, and nobody takes another's room", () => {
  const who = fc.constantFrom("org_a", "org_b", "org_c");
  const kind = fc.constantFrom<CallKind>("calls", "streams");
  const enter = fc.record({ t: fc.constant("enter" as const), who, kind });
  const leave = fc.record({ t: fc.constant("leave" as const), index: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(fc.oneof(enter, leave), { maxLength: 100 }), (steps) => {
      const most = { calls: 2, streams: 3 };
      const limit = createCallLimit(most);
      const entered: { name: string; kind: CallKind; slot: Disposable; open: boolean }[] = [];
      const openOf = (name: string) => entered.filter((each) => each.open && each.name === name).length;
      let refused = 0;
      for (const step of steps) {
        if (step.t === "leave") {
          const one = entered[step.index];
          one?.slot[Symbol.dispose](); // again, for some
          if (one) one.open = false;
          continue;
        }
        const name = `${step.who} ${step.kind}`;
        const isFull = openOf(name) === most[step.kind as "calls" | "streams"];
        try {
          entered.push({ name, kind: step.kind, slot: limit.enter(step.who, step.kind), open: true });
          expect(isFull).toBe(false);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect([isFull, error.reason]).toEqual([true, "TOO_MANY_CALLS"]);
          refused += 1;
        }
      }
      const open = entered.filter((each) => each.open);
      for (const each of ["calls", "streams", "admin"] as const) {
        expect(limit.underWay[each]).toBe(open.filter(({ kind }) => kind === each).length);
      }
      expect(limit.refused.calls + limit.refused.streams).toBe(refused);
      for (const { slot } of entered) slot[Symbol.dispose]();
      expect(limit.underWay).toEqual({ calls: 0, streams: 0, admin: 0 });
    }),
  );
});

test("who is refused is told the limit, and to come back at another moment than the one before him", () => {
  const limit = createCallLimit({ calls: 1, streams: 1 });
  using _only = limit.enter("org_a", "calls");
  const refusal = () => {
    try {
      limit.enter("org_a", "calls");
    } catch (error) {
      return error as Problem;
    }
    return expect.fail("it should have been refused");
  };
  const first = refusal();
  expect(first.message).toBe("1 calls of yours are under way at this server already.");
  expect(first.options.metadata).toEqual({ kind: "calls", limit: "1" });
  const delays = [first, ...Array.from({ length: 7 }, refusal)].map(({ options }) => options.retryDelayMs);
  expect(new Set(delays).size).toBe(8);
  expect(Math.min(...delays.map(Number))).toBe(1_000);
});
