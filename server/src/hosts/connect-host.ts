/** HostClient over Connect on HTTP/2 with mutual TLS and a bearer. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { HostDaemonService } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { requestIdHeader } from "@daytonah/lib/request-id.ts";
import { GuardedSessions } from "./guarded-sessions.ts";
import type { CallOptions, HostClient } from "./host-client.ts";
import { createHostCopies } from "./host-copies.ts";
import { maxAnswerBytes } from "./host-limits.ts";
import { hostProblem } from "./host-problem.ts";
import { type HostAddress, tlsOptionsOf } from "./host-tls.ts";

export interface ConnectHost extends HostClient, Disposable {}

const shortMs = 10_000;
const startMs = 180_000;
const deleteMs = 60_000;
/** One message to an agent that answers: where it does not, the create is better off with another VM. */
const claimMs = 10_000;
/** For what writes or reads a VM's whole memory. */
const memoryMs = 300_000;
/** The daemon sends a heartbeat each 5 s. A host that froze is found out by this, not by the kernel's retransmissions. */
const silenceMs = 12_000;

export function createConnectHost(host: HostAddress): ConnectHost {
  const sessionManager = new GuardedSessions(host.url, {}, tlsOptionsOf(host));
  const authenticate: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${host.credentials.bearer}`);
    return next(request);
  };
  const client = createClient(
    HostDaemonService,
    createConnectTransport({
      ...{ baseUrl: host.url, httpVersion: "2", sessionManager, interceptors: [authenticate] },
      ...{ readMaxBytes: maxAnswerBytes, acceptCompression: [], binaryOptions: { readUnknownFields: false } },
    }),
  );

  const copies = createHostCopies(host);

  async function call<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw hostProblem(host.hostId, error);
    }
  }

  return {
    hostId: host.hostId,
    getHost: (options) => call(() => client.getHost({}, callOptions(options, shortMs))),
    startVm: (spec, options) =>
      call(() => client.startVm({ ...spec, env: { ...spec.env } }, callOptions(options, startMs))),
    deleteVm: (id, options) =>
      call(async () => {
        await client.deleteVm({ ...id }, callOptions(options, deleteMs));
      }),
    setVmAccess: (change, options) =>
      call(async () => {
        await client.setVmAccess(change, callOptions(options, shortMs));
      }),
    setVmLifecycle: (change, options) =>
      call(async () => {
        await client.setVmLifecycle(change, callOptions(options, shortMs));
      }),
    pauseVm: (id, options) => call(() => client.pauseVm(id, callOptions(options, memoryMs))),
    stopVm: (id, options) => call(async () => (await client.stopVm(id, callOptions(options, deleteMs))).vm),
    resumeVm: (plan, options) => call(() => client.resumeVm(plan, callOptions(options, memoryMs))),
    snapshotVm: (id, options) => call(() => client.snapshotVm(id, callOptions(options, memoryMs))),
    rollBackVm: (plan, options) => call(() => client.rollBackVm(plan, callOptions(options, memoryMs))),
    deleteVmSnapshot: (snapshotId, options) =>
      call(async () => {
        await client.deleteVmSnapshot({ snapshotId }, callOptions(options, deleteMs));
      }),
    listVmSnapshots: (options) =>
      call(async () => (await client.listVmSnapshots({}, callOptions(options, shortMs))).snapshots),
    claimVm: (plan, options) =>
      call(() => client.claimVm({ ...plan, env: { ...plan.env } }, callOptions(options, claimMs))),
    sealVm: (id, options) =>
      call(async () => {
        await client.sealVm(id, callOptions(options, shortMs));
      }),
    unsealVm: (id, options) =>
      call(async () => {
        await client.unsealVm(id, callOptions(options, shortMs));
      }),
    ...{ readCopy: copies.readCopy, writeCopy: copies.writeCopy },
    renewLease: (ms, options) =>
      call(async () => {
        await client.renewLease({ duration: durationFromMs(ms) }, callOptions(options, shortMs));
      }),
    requestCertificate: (options) =>
      call(async () => (await client.requestCertificate({}, callOptions(options, shortMs))).certificateRequest),
    installCertificate: (certificate, options) =>
      call(async () => {
        await client.installCertificate({ certificate }, callOptions(options, shortMs));
      }),
    listVms: (options) => call(async () => (await client.listVms({}, callOptions(options, shortMs))).vms),
    async *watchVms(options) {
      const silence = setTimeout(() => sessionManager.abort(new Error(`silent for ${silenceMs} ms`)), silenceMs);
      try {
        for await (const event of client.watchVms({}, callOptions(options))) {
          silence.refresh();
          yield event;
        }
      } catch (error) {
        throw hostProblem(host.hostId, error);
      } finally {
        clearTimeout(silence);
      }
    },
    [Symbol.dispose]() {
      sessionManager.abort();
      copies[Symbol.dispose]();
    },
  };
}

function callOptions({ signal, requestId }: CallOptions, timeoutMs?: number) {
  return {
    ...(signal ? { signal } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(requestId ? { headers: { [requestIdHeader]: requestId } } : {}),
  };
}
