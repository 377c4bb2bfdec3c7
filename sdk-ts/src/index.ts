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
export type { Events, ListEventsOptions, SandboxEvent, WatchEventsOptions } from "./events.ts";
export { CommandFailedError } from "./exec/command-failed-error.ts";
export type { Environment, EnvironmentChange } from "./exec/environment.ts";
export type {
  AttachOptions,
  ByteSource,
  Command,
  ExecOptions,
  ExecResult,
  OutputEvent,
  OutputOptions,
  ProcessExit,
  ProcessRef,
  ProgramOptions,
  PtySize,
  StartedProcess,
  StartOptions,
} from "./exec/exec-types.ts";
export type { Process } from "./exec/process.ts";
export type { ProcessInfo } from "./exec/process-info.ts";
export type { ProcessInput } from "./exec/process-input.ts";
export type { SignalName } from "./exec/signal-names.ts";
export type { ArchiveWritten, ReadArchiveOptions, WriteArchiveOptions } from "./files/archive.ts";
export type {
  FileAttributes,
  FileInfo,
  FileOptions,
  FileType,
  ListFilesOptions,
  MakeDirectoryOptions,
  MoveOptions,
  ReadOptions,
  ReadWholeOptions,
  RemoveOptions,
  SetAttributesOptions,
  WriteOptions,
} from "./files/file-types.ts";
export type { FileUrl, FileUrlOptions } from "./files/file-url.ts";
export type { FileWatch } from "./files/file-watch.ts";
export type { SandboxFiles } from "./files/sandbox-files.ts";
export type { FileReplacement, FindOptions, ReplaceOptions, SearchOptions, TextMatch } from "./files/search-types.ts";
export type { FileChange, WatchOptions } from "./files/watch-types.ts";
export type { Host, HostObstacle, Hosts, JoinToken, JoinTokenOptions, RemoveHostOptions } from "./hosts.ts";
export type { ForkOptions, LifeOptions, Lineage, Relative, SnapshotOptions } from "./life/life-types.ts";
export type { Lifecycle } from "./life/lifecycle.ts";
export type { ListSnapshotsOptions, Snapshot, Snapshots } from "./life/snapshots.ts";
export type { StageTime } from "./life/stage-time.ts";
export type { LogEntry, LogSource, LogsOptions } from "./monitoring/logs.ts";
export type { Metrics, MetricsOptions, MetricsSample } from "./monitoring/metrics.ts";
export type { CreateOrganizationOptions, Organization, OrganizationLimits, Organizations } from "./organizations.ts";
export type { ListOptions } from "./pages.ts";
export type { Pool, PoolOptions, PoolSize, Pools } from "./pools.ts";
export type {
  ForwardOptions,
  ListeningPort,
  PortForward,
  PortUrl,
  PortUrlOptions,
} from "./ports/port-types.ts";
export type { SandboxPorts } from "./ports/sandbox-ports.ts";
export type { Pty } from "./pty/pty.ts";
export type { AttachPtyOptions, PtyOptions } from "./pty/pty-types.ts";
export { Sandbox } from "./sandbox.ts";
export type {
  ConnectOptions,
  CreateSandboxOptions,
  ListSandboxesOptions,
  SandboxInfo,
  SandboxState,
  UpdateSandboxOptions,
} from "./sandbox-types.ts";
export type { CreateTemplateOptions, Template, Templates } from "./templates.ts";
