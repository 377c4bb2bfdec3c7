/**
 * A sandbox of the test platform that is reached both ways: through the control plane, and straight at its host's edge. For
 * `describe.each(paths)`: what holds of one way must hold of the other.
 */
import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { type Api, connectApi, testPlatform } from "./api.ts";

export const paths = ["control plane", "direct path"] as const;
export type Path = (typeof paths)[number];

/** The data plane of one sandbox; every call names it. */
export interface DataPlaneClients {
  readonly processes: Client<typeof ProcessService>;
  readonly files: Client<typeof FileService>;
  readonly ports: Client<typeof PortService>;
  readonly monitoring: Client<typeof MonitoringService>;
}

export interface ReachedSandbox extends AsyncDisposable {
  readonly id: string;
  /** With the platform's first API key. */
  readonly api: Api;
  readonly apiKey: string;
  readonly accessToken: string;
  readonly originOf: Readonly<Record<Path, string>>;
  /** With the sandbox's access token, or another credential or header. */
  by(path: Path, headers?: Readonly<Record<string, string>>): DataPlaneClients;
}

export async function reachedSandbox(): Promise<ReachedSandbox> {
  const { url, apiKey } = testPlatform();
  const api = connectApi({ url, apiKey });
  const { sandbox, accessToken } = await api.sandboxes.createSandbox({});
  if (!sandbox?.directUrl) throw new Error("the host of the sandbox has no edge");
  const { id, directUrl } = sandbox;
  const originOf = { "control plane": url, "direct path": directUrl };
  return {
    ...{ id, api, apiKey, accessToken, originOf },
    by: (path, headers) =>
      dataPlaneClients(originOf[path], { authorization: `Bearer ${accessToken}`, "sandbox-id": id, ...headers }),
    async [Symbol.asyncDispose]() {
      await api.sandboxes.deleteSandbox({ sandboxId: id });
    },
  };
}

function dataPlaneClients(baseUrl: string, headers: Readonly<Record<string, string>>): DataPlaneClients {
  const addHeaders: Interceptor = (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
  const transport = createGrpcTransport({ baseUrl, interceptors: [addHeaders] });
  return {
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
  };
}
