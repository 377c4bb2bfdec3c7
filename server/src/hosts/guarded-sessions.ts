/** A session manager whose connections can't end the process, and don't hold what is fast. */
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { http2SessionWindowBytes } from "@daytonah/lib/http2-settings.ts";

/**
 * connect-node gives a connection that gets GOAWAY without open streams up with an error, which may be told after it has
 * taken its listeners away: Node then ends the process. Whoever still needs the connection hears of the error by its streams.
 */
export class GuardedSessions extends Http2SessionManager {
  readonly #guarded = new WeakSet<ClientHttp2Session>();

  override async request(...call: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...call);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session && !this.#guarded.has(session)) {
      this.#guarded.add(session);
      session.on("error", () => undefined);
      session.setLocalWindowSize(http2SessionWindowBytes); // of all its streams together
    }
    return stream;
  }
}
