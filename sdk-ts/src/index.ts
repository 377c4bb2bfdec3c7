/** DaytoNah's TypeScript client: hardware-isolated microVM sandboxes. Start at {@link Sandbox}. */
export type { ApiKey, ApiKeys, CreateApiKeyOptions, Scope } from "./api-keys.ts";
export { Client } from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export type { ErrorReason } from "./error-reasons.ts";
export {
  AuthenticationError,
  CapacityError,
  ConflictError,
  DaytonahError,
  type DaytonahErrorFacts,
  type ErrorCode,
  type FieldViolation,
  InvalidArgumentError,
  LimitError,
  NotFoundError,
  PermissionDeniedError,
  PlatformError,
  SandboxDiedError,
  TimeoutError,
  UnavailableError,
  UnsupportedError,
} from "./errors.ts";
export { CommandFailedError } from "./exec/command-failed-error.ts";
export type {
  AttachOptions,
  ByteSource,
  ExecOptions,
  ExecResult,
  OutputEvent,
  OutputOptions,
} from "./exec/exec-types.ts";
export type { Process } from "./exec/process.ts";
export type { ProcessInfo } from "./exec/process-info.ts";
export type { ProcessInput } from "./exec/process-input.ts";
export type { SignalName } from "./exec/signal-names.ts";
export type { Command } from "./exec/start-process.ts";
export type { FileInfo, FileOptions, ReadOptions, ReadWholeOptions, WriteOptions } from "./files/file-types.ts";
export type { SandboxFiles } from "./files/sandbox-files.ts";
export type { Host, Hosts } from "./hosts.ts";
export type { CreateOrganizationOptions, Organization, Organizations } from "./organizations.ts";
export type { ListOptions } from "./pages.ts";
export { Sandbox } from "./sandbox.ts";
export type {
  ConnectOptions,
  CreateSandboxOptions,
  ListSandboxesOptions,
  SandboxInfo,
  SandboxState,
  StageTime,
} from "./sandbox-types.ts";
export type { Template, Templates } from "./templates.ts";
