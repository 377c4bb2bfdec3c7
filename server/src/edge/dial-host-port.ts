/** A port of a sandbox as bytes, by an HTTP/2 CONNECT to its host's daemon. */
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { answerOf, refusalOf } from "../hosts/host-answer.ts";
import { hostUnavailable } from "../hosts/host-problem.ts";
import type { HostSessions } from "../hosts/host-sessions.ts";
import type { Target } from "../relay/find-target.ts";

/** Resolves when the program in the guest has taken the connection; throws what the client gets. */
export async function dialHostPort(
  sessions: HostSessions,
  { sandboxId, hostId, epoch, tokenGeneration }: Target,
  port: number,
  { signal, asPublic = false }: { readonly signal: AbortSignal; readonly asPublic?: boolean },
): Promise<Duplex> {
  const session = sessions.get(hostId, "edge");
  if (!session) throw hostUnavailable(hostId);
  signal.throwIfAborted();
  let stream: http2.ClientHttp2Stream;
  try {
    stream = session.request({
      ":method": "CONNECT",
      ":authority": `${sandboxId}:${port}`,
      authorization: `Bearer ${sessions.bearerOf(hostId)}`,
      "sandbox-epoch": epoch,
      // The host ends the connection with what let it in.
      ...(asPublic ? { "sandbox-public-port": String(port) } : {}),
      ...(asPublic || tokenGeneration === undefined ? {} : { "sandbox-token-generation": String(tokenGeneration) }),
    });
  } catch (error) {
    throw hostUnavailable(hostId, error); // the session ended between get and request
  }
  const onAbort = () => stream.close(http2.constants.NGHTTP2_CANCEL);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const status = await answerOf(stream, hostId);
    if (status === 200) return stream;
    stream.end();
    throw await refusalOf(stream, hostId, status);
  } catch (error) {
    stream.close(http2.constants.NGHTTP2_CANCEL);
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
