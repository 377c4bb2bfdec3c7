/** How a failure is told: one sentence and what to do next on stderr, or one JSON document. */
import { DaytonahError } from "daytonah";
import { CliError } from "./cli-error.ts";

export function failureText(error: unknown): string {
  const { message, nextStep } = failureFacts(error);
  const sentence = message.trim().replace(/\s*\n\s*/g, " ");
  return `dnah: ${sentence}\n${nextStep ? `next: ${nextStep}\n` : ""}`;
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
  readonly violations?: readonly unknown[];
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
