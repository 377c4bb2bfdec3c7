import fc from "fast-check";
import { expect, test } from "vitest";
import { createLines } from "./lines.ts";

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("whoever comes, leaves and gives up, each line has so many turns at once, none is lost, and the first in line is next", async () => {
  const come = fc.record({ t: fc.constant("come" as const), name: fc.constantFrom("a", "b") });
  const leave = fc.record({ t: fc.constantFrom("leave" as const, "give up" as const), index: fc.nat(30) });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(come, leave), { maxLength: 60 }), async (steps) => {
      const lines = createLines(2);
      /** Each in the order in which they came; those that left or gave up are no longer there. */
      const here: { name: string; abort: AbortController; turn: Disposable | undefined; gone: boolean }[] = [];
      for (const step of steps) {
        if (step.t === "come") {
          const one = {
            name: step.name,
            abort: new AbortController(),
            turn: undefined as Disposable | undefined,
            gone: false,
          };
          here.push(one);
          lines
            .enter(step.name, () => one.abort.signal)
            .then(
              (turn) => {
                one.turn = turn;
              },
              () => expect(one.gone).toBe(true),
            );
        } else {
          const one = here[step.index];
          if (!one || (step.t === "leave") !== (one.turn !== undefined)) continue;
          one.gone = true;
          if (step.t === "leave") one.turn?.[Symbol.dispose]();
          else one.abort.abort(new Error("gave up"));
        }
        await settle();
        for (const name of ["a", "b"]) {
          const there = here.filter((each) => each.name === name && !each.gone);
          expect(there.map(({ turn }) => turn !== undefined)).toEqual(there.map((_, index) => index < 2));
          expect(lines.waiting(name)).toBe(Math.max(0, there.length - 2));
        }
      }
    }),
    { numRuns: 50 },
  );
});
