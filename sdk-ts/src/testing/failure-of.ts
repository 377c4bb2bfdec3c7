import { expect } from "vitest";

/** What a call that must fail was rejected with. */
export async function failureOf(work: PromiseLike<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  return expect.fail("it should have failed");
}
