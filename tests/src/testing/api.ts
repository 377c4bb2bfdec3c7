/** The public API as a plain generated client sees it: no retries, no state, so that a test sees every answer. */
import { readFileSync } from "node:fs";
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { type ExecResponse, ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";

export interface Api {
  readonly sandboxes: Client<typeof SandboxService>;
  readonly processes: Client<typeof ProcessService>;
  readonly files: Client<typeof FileService>;
  readonly ports: Client<typeof PortService>;
  readonly monitoring: Client<typeof MonitoringService>;
  readonly snapshots: Client<typeof SnapshotService>;
  readonly hosts: Client<typeof HostService>;
}

/** Where a test platform is, and its first API key. */
export function testPlatform(env: NodeJS.ProcessEnv = process.env): { readonly url: string; readonly apiKey: string } {
  const { DNAH_TEST_URL: url, DNAH_TEST_API_KEY_FILE: keyFile } = env;
  if (!url || !keyFile) throw new Error("run this through `npm test -- vm`: it starts a platform");
  return { url, apiKey: readFileSync(keyFile, "utf8").trim() };
}

export function connectApi({ url, apiKey } = testPlatform()): Api {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${apiKey}`);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl: url, interceptors: [authorize] });
  return {
    sandboxes: createClient(SandboxService, transport),
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
    snapshots: createClient(SnapshotService, transport),
    hosts: createClient(HostService, transport),
  };
}

export const inSandbox = (id: string, signal?: AbortSignal) => ({
  headers: { "sandbox-id": id },
  ...(signal ? { signal } : {}),
});

/** Runs a shell line; resolves with its output and exit code. */
export async function shell(
  api: Api,
  id: string,
  line: string,
  signal?: AbortSignal,
): Promise<{ output: string; exitCode: number }> {
  let output = "";
  const decoder = new TextDecoder();
  for await (const { event } of api.processes.exec(
    { command: { case: "shell", value: { line } } },
    inSandbox(id, signal),
  )) {
    if (event.case === "output") output += decoder.decode(event.value.data, { stream: true });
    if (event.case === "exited") return { output, exitCode: event.value.exitCode };
  }
  throw new Error("the stream ended without `exited`");
}

export type ExecEvent = ExecResponse["event"];
