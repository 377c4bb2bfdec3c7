import { type Problem, problem } from "./problem.ts";

/** The same wherever a body is counted. */
export function bodyTooLarge(maxBytes: number): Problem {
  return problem("BODY_TOO_LARGE", `The request's body is longer than ${maxBytes} bytes.`, {
    metadata: { max_bytes: String(maxBytes) },
  });
}
