/**
 * One row for each ErrorReason: its Connect code, and what to do next where the place that throws knows nothing better.
 * The codes are those that proto/daytonah/v1/error.proto documents; a test compares them.
 */
import { Code } from "@connectrpc/connect";
import type { ErrorReason } from "@daytonah/gen/daytonah/v1/error_pb.ts";

export type ReasonName = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

const rows = {
  CREDENTIAL_MISSING: [Code.Unauthenticated, "Send the header `Authorization: Bearer <API key>`."],
  CREDENTIAL_INVALID: [Code.Unauthenticated, "Check the key, or make a new one: `dnah keys create`, or CreateApiKey."],
  SCOPE_MISSING: [Code.PermissionDenied, "Use a key that has this scope."],
  FIELD_INVALID: [Code.InvalidArgument, "Correct the fields that are named and call again."],
  SANDBOX_NOT_FOUND: [Code.NotFound, "List your sandboxes to see which there are."],
  TEMPLATE_NOT_FOUND: [Code.NotFound, "List the templates to see which there are."],
  SANDBOX_NOT_RUNNING: [Code.FailedPrecondition, "Get the sandbox to see its state."],
  SANDBOX_STATE_CONFLICT: [Code.Aborted, "Get the sandbox to see its state, then decide."],
  IDEMPOTENCY_KEY_REUSED: [Code.AlreadyExists, "Use a new key for a new request."],
  BODY_TOO_LARGE: [Code.ResourceExhausted, "Send less in one call; write large files in pieces."],
  QUOTA_EXCEEDED: [Code.ResourceExhausted, "Delete what you no longer need, or ask the operator for more."],
  PROCESS_NOT_FOUND: [Code.NotFound, "List the processes to see which there are."],
  FILE_NOT_FOUND: [Code.NotFound, "Check the path; relative paths count from the user's home."],
  FILE_ACCESS_DENIED: [Code.PermissionDenied, "Name another user in `user`, or change the file's mode."],
  FILE_WRONG_TYPE: [Code.FailedPrecondition, "Name a path of the type that the call needs."],
  FILE_EXISTS: [Code.AlreadyExists, "Choose another path, or remove this one first."],
  COMMAND_NOT_FOUND: [Code.InvalidArgument, "Check the program's name, or give its full path."],
  USER_NOT_FOUND: [Code.InvalidArgument, "Name a user of the sandbox, such as `user` or `root`."],
  CWD_NOT_FOUND: [Code.InvalidArgument, "Make the directory first, or name another."],
  INPUT_GAP: [Code.OutOfRange, "Go on at the offset in metadata.expected_offset."],
  INPUT_CLOSED: [Code.FailedPrecondition, "Start the process with stdin, and send nothing after close."],
  RESOURCE_NOT_FOUND: [Code.NotFound, "List what there is."],
  UNKNOWN_CALL: [Code.Unimplemented, "Check the path of the call, or upgrade."],
  OUTPUT_LOST: [Code.ResourceExhausted, "Attach to the process again, and read faster."],
  PORT_CLOSED: [Code.FailedPrecondition, "Start a program that listens on this port; ListPorts shows which there are."],
  LINK_EXPIRED: [Code.PermissionDenied, "Ask whoever gave you the link for a new one."],
  RANGE_INVALID: [Code.OutOfRange, "Ask for bytes that the file has; stat shows its size."],
  FILE_CHANGED: [Code.Aborted, "Read the file again from its start."],
  SNAPSHOT_NOT_FOUND: [Code.NotFound, "List the snapshots to see which there are."],
  RESOURCE_IN_USE: [Code.FailedPrecondition, "Delete first what metadata.used_by names."],
  SANDBOX_PAUSED: [Code.FailedPrecondition, "Resume the sandbox, or create it with auto_resume."],
  CURSOR_INVALID: [
    Code.OutOfRange,
    'Begin with cursor "0" for all that are kept, or without one; list your sandboxes first.',
  ],
  TOO_MANY_CALLS: [Code.ResourceExhausted, "Call again after retry_delay, and have fewer calls under way at once."],
  NO_CAPACITY: [Code.ResourceExhausted, "Call again after retry_delay, or delete sandboxes you no longer need."],
  HOST_UNAVAILABLE: [Code.Unavailable, "Call again after retry_delay; where it stays so, look at the host's daemon."],
  DATABASE_UNAVAILABLE: [Code.Unavailable, "Call again after retry_delay; where it stays so, look at PostgreSQL."],
  BOOT_FAILED: [Code.Internal, "Call again; where it stays so, run `dnah doctor` on the host."],
  VM_DIED: [Code.Aborted, "Resume the sandbox: it starts again from its disk. Or make a new one."],
  HOST_LOST: [Code.Unavailable, "Wait until the host is back, or make a new sandbox."],
  INTERNAL: [Code.Internal, "Call again; where it stays so, report it with the request id."],
  HOST_NO_SPACE: [Code.ResourceExhausted, "Delete sandboxes you no longer need, or give the host more disk."],
  AGENT_UNREACHABLE: [Code.Unavailable, "Call again; where it stays so, delete the sandbox."],
  SNAPSHOT_FAILED: [Code.Internal, "Call again; the sandbox runs on as before."],
  RESTORE_FAILED: [Code.Internal, "Call again; nothing that was kept is lost."],
  GUEST_NO_SPACE: [Code.ResourceExhausted, "Remove files in the sandbox, or create it with a larger disk."],
  GUEST_LIMIT_EXCEEDED: [Code.ResourceExhausted, "End processes or connections of the sandbox, then call again."],
  GUEST_OUT_OF_MEMORY: [Code.ResourceExhausted, "End processes in the sandbox, or create it with more memory."],
} as const satisfies Record<ReasonName, readonly [Code, string]>;

export const codeOfReason = column(0) as Readonly<Record<ReasonName, Code>>;
export const nextStepOfReason = column(1) as Readonly<Record<ReasonName, string>>;

function column(index: 0 | 1): object {
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, row[index]]));
}
