/** The agent's errors in the words of the public API. The agent is the guest's: its words are cut, its numbers checked. */
import { ErrorReason, type Error as GuestError } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import type { ReasonName } from "@daytonah/lib/problem-reasons.ts";

type GuestReasonName = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

const publicReasons = {
  UNKNOWN_CALL: "UNKNOWN_CALL",
  BAD_FRAME: "INTERNAL",
  INVALID_ARGUMENT: "FIELD_INVALID",
  FILE_NOT_FOUND: "FILE_NOT_FOUND",
  FILE_EXISTS: "FILE_EXISTS",
  PERMISSION_DENIED: "FILE_ACCESS_DENIED",
  NOT_A_DIRECTORY: "FILE_WRONG_TYPE",
  IS_A_DIRECTORY: "FILE_WRONG_TYPE",
  NO_SPACE: "GUEST_NO_SPACE",
  PROCESS_NOT_FOUND: "PROCESS_NOT_FOUND",
  COMMAND_NOT_FOUND: "COMMAND_NOT_FOUND",
  USER_NOT_FOUND: "USER_NOT_FOUND",
  CWD_NOT_FOUND: "CWD_NOT_FOUND",
  INPUT_GAP: "INPUT_GAP",
  INPUT_CLOSED: "INPUT_CLOSED",
  LIMIT_EXCEEDED: "GUEST_LIMIT_EXCEEDED",
  CANCELED: "SANDBOX_STATE_CONFLICT",
  PORT_CLOSED: "PORT_CLOSED",
  BUSY: "SANDBOX_STATE_CONFLICT",
  OUTPUT_LOST: "OUTPUT_LOST",
  OUT_OF_MEMORY: "GUEST_OUT_OF_MEMORY",
  INTERNAL: "INTERNAL",
  FILE_CHANGED: "FILE_CHANGED",
} as const satisfies Record<GuestReasonName, ReasonName>;

const publicReasonOf = new Map<number, ReasonName>(
  (Object.keys(publicReasons) as GuestReasonName[]).map((name) => [ErrorReason[name], publicReasons[name]]),
);

const maxMessageLength = 1024;

export function guestProblem(error: GuestError): Problem {
  const reason = publicReasonOf.get(error.reason) ?? "INTERNAL";
  const field = publicField(error.field);
  const message = printable(error.message) || "The agent refused the call.";
  return problem(reason, reason === "FIELD_INVALID" && field ? `${field}: ${message}` : message, {
    metadata: {
      ...(reason === "INPUT_GAP" ? { expected_offset: String(error.expectedOffset) } : {}),
      ...(error.errno > 0 && error.errno < 4096 ? { errno: String(error.errno) } : {}),
    },
    violations: field ? [{ field, rule: "sandbox", message }] : [],
    cause: error.reason === ErrorReason.INTERNAL ? new Error(`agent: ${message}`) : undefined,
  });
}

/** "start_process.cwd" is the public request's "cwd": both name their fields alike, but for the move that ends an upload. */
function publicField(field: string): string {
  const path = field.startsWith("move_file.") ? "path" : field.slice(field.indexOf(".") + 1);
  return /^[a-z0-9_.[\]]{1,128}$/.test(path) ? path : "";
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  return text.slice(0, maxMessageLength).replace(/[\u0000-\u001f\u007f]/g, " ");
}
