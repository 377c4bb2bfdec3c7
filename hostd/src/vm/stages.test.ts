import { expect, test } from "vitest";
import { Stages } from "./stages.ts";

test.each([1e300, -1e300, 0])(
  "a guest that says its hooks took %d ms takes no time that was not there",
  async (said) => {
    const stages = new Stages("personalize");
    await stages.time("personalize", async () => undefined);
    const [{ ms } = { ms: 0 }] = stages.done;
    stages.split("hooks", said);
    const [personalize, hooks] = stages.done;
    expect(personalize?.ms).toBeGreaterThanOrEqual(0);
    expect(hooks?.ms).toBeGreaterThanOrEqual(0);
    expect((personalize?.ms ?? 0) + (hooks?.ms ?? 0)).toBeCloseTo(ms);
  },
);
