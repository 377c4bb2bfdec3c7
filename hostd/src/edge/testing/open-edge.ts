/** The edge before one VM that has an access token, and clients that come straight to it. */
import { createHash } from "node:crypto";
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { signingKeyOf } from "@daytonah/lib/sandbox-signature.ts";
import { dataPlaneServices } from "../../api/data-plane.ts";
import { createMetrics } from "../../api/metrics.ts";
import { oneVm } from "../../api/testing/one-vm.ts";
import type { VmAccess } from "../../vm/vm-record.ts";
import { listenEdge } from "../listen-edge.ts";
import type { VisitorLimits } from "../visitors.ts";

export interface OpenEdgeOptions {
  readonly limits?: VisitorLimits;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function openEdge(vsockPath: string, { limits, tls }: OpenEdgeOptions = {}) {
  const stack = new AsyncDisposableStack();
  const vm = stack.use(await oneVm(vsockPath));
  await vm.registry.setAccess(vm.entry, accessOf("token-1", 1));
  const listener = await listenEdge(vm.deps, dataPlaneServices(vm.deps), {
    ...{ host: "127.0.0.1", port: 0, log: silentLogger },
    metrics: createMetrics({ registry: vm.registry, size: { vcpus: 4, memoryMib: 4096 } }),
    ...(limits ? { limits } : {}),
    ...(tls ? { tls } : {}),
  });
  stack.use(listener);
  return {
    vm,
    port: listener.address.port,
    url: `${tls ? "https" : "http"}://localhost:${listener.address.port}`,
    sandboxId: vm.headers["sandbox-id"],
    setAccess: (access: VmAccess) => vm.registry.setAccess(vm.entry, access),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What the control plane would tell of a token. */
export function accessOf(token: string, version: number, more: Partial<VmAccess> = {}): VmAccess {
  return {
    ...{ version, tokenGeneration: version },
    tokenSha256: createHash("sha256").update(token).digest("hex"),
    signingKey: signingKeyOf(token).toString("hex"),
    ...{ publicPorts: [], ...more },
  };
}

export type Protocol = "connect over HTTP/2" | "connect over HTTP/1.1" | "gRPC";

export function edgeClients(baseUrl: string, protocol: Protocol, headers: Readonly<Record<string, string>>) {
  const authorize: Interceptor = (next) => (request) => {
    for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
    return next(request);
  };
  const transport = transportOf(protocol, { baseUrl, interceptors: [authorize] });
  return { processes: createClient(ProcessService, transport), files: createClient(FileService, transport) };
}

function transportOf(protocol: Protocol, options: { baseUrl: string; interceptors: Interceptor[] }): Transport {
  const nodeOptions = { rejectUnauthorized: false };
  switch (protocol) {
    case "gRPC":
      return createGrpcTransport({ ...options, nodeOptions });
    case "connect over HTTP/2":
      return createConnectTransport({ ...options, nodeOptions, httpVersion: "2" });
    case "connect over HTTP/1.1":
      return createConnectTransport({ ...options, nodeOptions, httpVersion: "1.1" });
    default:
      return protocol satisfies never;
  }
}
