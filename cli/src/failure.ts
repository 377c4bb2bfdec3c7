/** How a failure is told: a sentence, the fields where several are wrong, and what to do next on stderr, or one JSON document. */
import { DaytonahError, type FieldViolation } from "daytonah";
import { CliError } from "./cli-error.ts";

export function failureText(error: unknown): string {
  const { message, nextStep, violations = [] } = failureFacts(error);
  // The message tells of the first one.
  const fields = violations.length > 1 ? violations.map((one) => `  ${one.field}: ${oneLine(one.message)}`) : [];
  const next = nextStep ? [`next: ${nextStep}`] : [];
  return `${[`dnah: ${oneLine(message)}`, ...fields, ...next].join("\n")}\n`;
}

export function failureJson(error: unknown): string {
  return `${JSON.stringify({ error: failureFacts(error) })}\n`;
}

interface FailureFacts {
  readonly message: string;
  readonly nextStep: string;
  readonly code?: string;
  readonly reason?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: number | undefined;
}

function failureFacts(error: unknown): FailureFacts {
  if (error instanceof CliError) return { message: error.message, nextStep: error.nextStep };
  if (error instanceof DaytonahError) {
    const { message, nextStep, code, reason, metadata, violations, retryAfterMs } = error;
    return { message, nextStep, code, reason, metadata, violations, retryAfterMs };
  }
  if (error instanceof Error && "code" in error && typeof error.code === "string") {
    return { message: error.message, nextStep: "" }; // a file of the user's, say
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message: `This should not happen: ${detail}`, nextStep: "Report it." };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
