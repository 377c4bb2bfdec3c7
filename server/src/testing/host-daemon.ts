/** A host's daemon for tests: HostDaemonService from a FakeHost, and data-plane services, over HTTP/2 with mutual TLS. */
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { http2ServerSettings, http2SessionWindowBytes } from "@daytonah/lib/http2-settings.ts";
import { typedErrors } from "@daytonah/lib/interceptors.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import type { NodeHandler } from "@daytonah/lib/node-http.ts";
import { createRpcListener } from "@daytonah/lib/rpc-listener.ts";
import type { VmLifecycle } from "../domain/lifecycle.ts";
import type { VmAccess } from "../domain/vm-access.ts";
import type { FakeHost } from "../hosts/fake-host.ts";
import type { HostAddress } from "../hosts/host-tls.ts";
import { makeLeaf, type PemPair } from "../pki/certificates.ts";
import { type ServerPki, serverName } from "../pki/server-pki.ts";
import { answerMove } from "./answer-move.ts";

export interface HostDaemon extends AsyncDisposable {
  readonly address: HostAddress;
  /** From now on it shows this certificate, and demands this bearer. */
  show(identity: PemPair & { readonly bearer?: string }): void;
  /** Ends every connection at once, as kill -9 does. */
  cutConnections(): void;
}

export interface HostDaemonOptions {
  readonly pki: ServerPki;
  readonly host: FakeHost;
  /** Further services. */
  readonly routes?: (router: ConnectRouter) => void;
  /** For what is no rpc. */
  readonly plainHttp?: NodeHandler;
  /** Answers CONNECT. */
  readonly onConnect?: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;
}

/** Our own server always sends both, but for a VM of a pool, and there the fake host asks for neither. */
function toldOf(request: { access?: unknown; lifecycle?: unknown }) {
  return { access: request.access as VmAccess, lifecycle: request.lifecycle as VmLifecycle };
}

export async function startHostDaemon({
  pki,
  host,
  routes,
  plainHttp,
  onConnect,
}: HostDaemonOptions): Promise<HostDaemon> {
  const leaf = await makeLeaf(pki.authority, { name: host.hostId, use: "server", now: Date.now() });
  const address: HostAddress & { url: string } = {
    hostId: host.hostId,
    tlsName: host.hostId,
    url: "",
    credentials: {
      authority: pki.certificate,
      certificate: pki.client.certificate,
      key: pki.client.key,
      bearer: pki.bearerOf(host.hostId),
    },
  };
  let { bearer } = address.credentials;
  const demandBearer: Interceptor = (next) => (request) => {
    if (request.header.get("authorization") !== `Bearer ${bearer}`)
      throw new ConnectError("bearer", Code.Unauthenticated);
    return next(request);
  };
  const rpc = createRpcListener({
    routes(router) {
      router.service(HostDaemonService, {
        getHost: () => host.getHost({}),
        startVm: (request) => host.startVm({ ...request, ...toldOf(request) }, {}),
        deleteVm: async (request) => {
          await host.deleteVm(request, {});
          return {};
        },
        setVmAccess: async ({ access, ...id }) => {
          if (access) await host.setVmAccess({ ...id, access }, {});
          return {};
        },
        setVmLifecycle: async ({ lifecycle, ...id }) => {
          await host.setVmLifecycle({ ...id, lifecycle: lifecycle as VmLifecycle }, {});
          return {};
        },
        renewLease: async ({ duration }) => {
          await host.renewLease(duration ? durationMs(duration) : 0, {});
          return {};
        },
        requestCertificate: async () => ({ certificateRequest: await host.requestCertificate({}) }),
        installCertificate: async ({ certificate }) => {
          await host.installCertificate(certificate, {});
          return {};
        },
        pauseVm: (request) => host.pauseVm(request, {}),
        stopVm: async (request) => {
          const vm = await host.stopVm(request, {});
          return vm ? { vm } : {};
        },
        resumeVm: (request) => host.resumeVm({ ...request, ...toldOf(request) }, {}),
        snapshotVm: (request) => host.snapshotVm(request, {}),
        rollBackVm: (request) => host.rollBackVm({ ...request, ...toldOf(request) }, {}),
        deleteVmSnapshot: async ({ snapshotId }) => {
          await host.deleteVmSnapshot(snapshotId, {});
          return {};
        },
        listVmSnapshots: async () => ({ snapshots: [...(await host.listVmSnapshots({}))] }),
        sealVm: async (request) => {
          await host.sealVm(request, {});
          return {};
        },
        unsealVm: async (request) => {
          await host.unsealVm(request, {});
          return {};
        },
        claimVm: (request) => host.claimVm({ ...request, ...toldOf(request) }, {}),
        listVms: async () => ({ vms: [...(await host.listVms({}))] }),
        watchVms: (_, context) => host.watchVms({ signal: context.signal }),
      });
      routes?.(router);
    },
    maxBodyBytes: 8 * 1024 * 1024,
    log: silentLogger,
    interceptors: [typedErrors(silentLogger), demandBearer],
  });
  const server = http2.createSecureServer(
    {
      ca: pki.authority.certificate,
      cert: leaf.certificate,
      key: leaf.key,
      requestCert: true,
      rejectUnauthorized: true,
      ...http2ServerSettings,
    },
    (request, response) => {
      const peer = (request.stream.session?.socket as TLSSocket | undefined)?.getPeerCertificate().subject?.CN;
      if (peer !== serverName) request.stream.session?.destroy();
      else if (rpc.handle(request, response)) return;
      else if (request.url.startsWith("/v1/moves/")) void answerMove(host, bearer, request, response);
      else if (plainHttp) plainHttp(request, response);
      else response.writeHead(404).end();
    },
  );
  if (onConnect) server.on("connect", onConnect);
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.setLocalWindowSize(http2SessionWindowBytes);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address.url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cutConnections = () => {
    for (const session of sessions) session.destroy();
  };
  return {
    address,
    show(identity) {
      server.setSecureContext({ ca: pki.certificate, cert: identity.certificate, key: identity.key });
      bearer = identity.bearer ?? bearer;
    },
    cutConnections,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cutConnections();
      await closed;
    },
  };
}
