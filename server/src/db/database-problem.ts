/** Tells a database that does not answer from a statement that is wrong. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";

/**
 * SQLSTATE classes and codes of a server that is down, going down or coming up. 25006: a standby. 57014: a statement took
 * longer than it may, as where it waits for a row that another holds.
 */
const states = /^(08...|57P0[1-5]|57014|53300|25006)$/;
const systemCodes = new Set(["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"]);
/** node-postgres's own errors have no code. */
const messages = [
  /^Connection terminated/,
  /^timeout exceeded when trying to connect$/,
  /^Query read timeout$/,
  /^Client has encountered a connection error/,
  /^Cannot use a pool after calling end/,
];

export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  if (typeof code === "string" && states.test(code)) return true;
  // `syscall`: a file that is missing has ENOENT too, but is no socket.
  if (
    typeof code === "string" &&
    systemCodes.has(code) &&
    ["connect", "read", "write", "getaddrinfo"].includes(String(syscall))
  ) {
    return true;
  }
  return messages.some((pattern) => pattern.test(error.message));
}

/** Something refers to the row that was to go. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "23503";
}

export function databaseUnavailable(cause?: unknown): Problem {
  return problem("DATABASE_UNAVAILABLE", "The database does not answer.", { retryDelayMs: 1_000, cause });
}

/** The error as a Problem where the database is why; else itself. */
export function asDatabaseProblem(error: unknown): unknown {
  return isDatabaseUnavailable(error) ? databaseUnavailable(error) : error;
}
