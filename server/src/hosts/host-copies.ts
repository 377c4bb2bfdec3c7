/** Copies of VMs and snapshots: GET and PUT of /v1/moves at a host's daemon, over a connection that nothing else waits on. */
import type http2 from "node:http2";
import { addAbortSignal } from "node:stream";
import { pipeline } from "node:stream/promises";
import { moveAddress } from "@daytonah/lib/move-address.ts";
import { GuardedSessions } from "./guarded-sessions.ts";
import { answerOf, refusalOf } from "./host-answer.ts";
import type { CallOptions, CopyId, HostClient } from "./host-client.ts";
import { hostUnavailable } from "./host-problem.ts";
import { type HostAddress, tlsOptionsOf } from "./host-tls.ts";

export interface HostCopies extends Pick<HostClient, "readCopy" | "writeCopy">, Disposable {}

/** A host that vanished without a word answers no ping. One whose disk is slow does. */
const pinging = { pingIntervalMs: 5_000, pingTimeoutMs: 10_000 };
/** Nothing is read or written for this long: the other side's disk is gone. */
const silenceMs = 120_000;

export function createHostCopies(host: HostAddress, pings = pinging): HostCopies {
  const sessions = new GuardedSessions(host.url, pings, tlsOptionsOf(host));

  async function open(method: "GET" | "PUT", copy: CopyId, { signal }: CallOptions): Promise<http2.ClientHttp2Stream> {
    const headers = { authorization: `Bearer ${host.credentials.bearer}` };
    const stream = await sessions.request(method, pathOf(copy), headers, {}).catch((error: unknown) => {
      throw hostUnavailable(host.hostId, error);
    });
    stream.setTimeout(silenceMs, () => stream.destroy(new Error(`silent for ${silenceMs} ms`)));
    return signal ? addAbortSignal(signal, stream) : stream;
  }

  async function demandOk(stream: http2.ClientHttp2Stream): Promise<void> {
    const status = await answerOf(stream, host.hostId);
    if (status !== 200) throw await refusalOf(stream, host.hostId, status);
  }

  return {
    async readCopy(copy, options) {
      const stream = await open("GET", copy, options);
      await demandOk(stream);
      return stream;
    },

    async writeCopy(copy, bytes, options) {
      const stream = await open("PUT", copy, options);
      // Where either side breaks off, both are destroyed, and there is no answer. A refusal comes before all is sent.
      pipeline(bytes, stream).catch(() => undefined);
      try {
        await demandOk(stream);
      } finally {
        stream.destroy();
      }
    },

    [Symbol.dispose]: () => sessions.abort(),
  };
}

function pathOf(copy: CopyId): string {
  return moveAddress("snapshotId" in copy ? { id: copy.snapshotId } : { id: copy.sandboxId, epoch: copy.epoch });
}
