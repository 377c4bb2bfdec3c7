/** What idempotency keys need beside their rows. */
import { createHash } from "node:crypto";
import { type Problem, problem } from "@daytonah/lib/problem.ts";

/** The same for the same values, in whatever order an object's keys came. */
export function digestOf(request: unknown): Buffer {
  return createHash("sha256").update(stableText(request)).digest();
}

function stableText(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

export function idempotencyKeyReused(key: string): Problem {
  return problem("IDEMPOTENCY_KEY_REUSED", `The idempotency key ${key} was used for another request.`, {
    metadata: { idempotency_key: key },
  });
}
