/** The Problem that a call ends with. */
import { Problem } from "@daytonah/lib/problem.ts";
import { expect } from "vitest";

export async function failureOf(call: Promise<unknown>): Promise<Problem> {
  const error = await call.then(
    () => expect.fail("it should have failed"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Problem);
  return error as Problem;
}
