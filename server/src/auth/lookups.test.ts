import { expect, test } from "vitest";
import { createLookups } from "./lookups.ts";

/** Questions that are answered when the test says so. */
function questions() {
  const open: PromiseWithResolvers<string | undefined>[] = [];
  const ask = () => {
    const question = Promise.withResolvers<string | undefined>();
    open.push(question);
    return question.promise;
  };
  return { open, ask };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));
const found = async () => "found";

test("a credential has eight questions at the database, the others wait, and another credential does not", async () => {
  const lookup = createLookups();
  await lookup("a", found);
  await lookup("b", found);
  const { open, ask } = questions();
  const flood = Array.from({ length: 50 }, () => lookup("a", ask));
  await settle();
  expect(open).toHaveLength(8);
  expect(await lookup("b", found)).toBe("found");
  for (let answered = 0; answered < 50; answered++) {
    open[answered]?.resolve("a");
    await settle();
    expect(open.length - answered - 1).toBeLessThanOrEqual(8);
  }
  expect(await Promise.all(flood)).toEqual(Array.from({ length: 50 }, () => "a"));
});

test("whoever may be nobody stands in one line with all such, whatever he names, and who is known passes by", async () => {
  const lookup = createLookups();
  await lookup("known", found);
  const { open, ask } = questions();
  const flood = Array.from({ length: 50 }, (_, index) => lookup(`made up ${index}`, ask));
  await settle();
  expect(open).toHaveLength(8);
  expect(await lookup("known", found)).toBe("found");
  await lookup("known", async () => undefined); // revoked
  const revoked = lookup("known", ask);
  for (let answered = 0; answered < 51; answered++) {
    open[answered]?.resolve(undefined);
    await settle();
  }
  expect(await Promise.all([...flood, revoked])).toEqual(Array.from({ length: 51 }, () => undefined));
});

test("a question that fails makes room for the next", async () => {
  const lookup = createLookups();
  const { open, ask } = questions();
  const all = Promise.allSettled(Array.from({ length: 20 }, () => lookup("a", ask)));
  for (let answered = 0; answered < 20; answered++) {
    await settle();
    open[answered]?.reject(new Error("the database is away"));
  }
  expect((await all).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => "rejected"));
  expect(await lookup("a", found)).toBe("found");
});

test("the line has an end: whoever comes then is refused at once", async () => {
  const lookup = createLookups();
  const { open, ask } = questions();
  const line = Array.from({ length: 10_008 }, () => lookup("a", ask));
  await settle();
  await expect(lookup("b", found)).rejects.toMatchObject({ reason: "TOO_MANY_CALLS" });
  for (let answered = 0; answered < line.length; answered++) {
    open[answered]?.resolve(undefined);
    await Promise.resolve();
    if (open.length <= answered + 1) await settle();
  }
  await Promise.all(line);
  expect(await lookup("b", found)).toBe("found");
});
