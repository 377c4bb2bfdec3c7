/** HTTP/2 sessions to hosts for relayed calls and ports: one a lane, so that bulk never stands before an exec. */
import http2 from "node:http2";
import { http2SessionWindowBytes } from "@daytonah/lib/http2-settings.ts";
import { type HostAddress, tlsOptionsOf } from "./host-tls.ts";

const lanes = ["control", "bulk", "edge"] as const;
export type Lane = (typeof lanes)[number];

export interface HostSessions extends Disposable {
  /** A session that takes requests; it may still be connecting. Undefined for a host that is not known. */
  get(hostId: string, lane: Lane): http2.ClientHttp2Session | undefined;
  bearerOf(hostId: string): string;
  /** Ends those of a host, with what is under way in them. */
  end(hostId: string): void;
}

const connectMs = 5_000;
const pingEveryMs = 5_000;

export function createHostSessions(addressOf: (hostId: string) => HostAddress | undefined): HostSessions {
  const sessions = new Map<string, http2.ClientHttp2Session>();
  return {
    get(hostId, lane) {
      const key = `${lane} ${hostId}`;
      const existing = sessions.get(key);
      if (existing && !existing.closed && !existing.destroyed) return existing;
      const address = addressOf(hostId);
      if (!address) return undefined;
      const session = connect(address);
      sessions.set(key, session);
      return session;
    },
    bearerOf: (hostId) => addressOf(hostId)?.credentials.bearer ?? "",
    end(hostId) {
      for (const lane of lanes) {
        sessions.get(`${lane} ${hostId}`)?.destroy();
        sessions.delete(`${lane} ${hostId}`);
      }
    },
    [Symbol.dispose]() {
      for (const session of sessions.values()) session.destroy();
    },
  };
}

function connect(address: HostAddress): http2.ClientHttp2Session {
  const session = http2.connect(address.url, {
    ...tlsOptionsOf(address),
    // MiB; Node's 10 refuses new streams while a few slow readers have their windows full.
    maxSessionMemory: 1_024,
  });
  session.setMaxListeners(0);
  const late = setTimeout(() => session.destroy(new Error(`no connection within ${connectMs} ms`)), connectMs);
  let pings: NodeJS.Timeout | undefined;
  session.once("connect", () => {
    clearTimeout(late);
    session.setLocalWindowSize(http2SessionWindowBytes);
    pings = keepPinging(session);
  });
  session.on("error", () => undefined); // each of its streams hears of it
  session.once("close", () => {
    clearTimeout(late);
    clearInterval(pings);
  });
  return session;
}

/** Finds out that a host is gone without a word, which the kernel would take minutes for. */
function keepPinging(session: http2.ClientHttp2Session): NodeJS.Timeout {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (session.destroyed || session.closed) return;
    if (unanswered > 0) {
      session.destroy(new Error("no answer to a ping"));
      return;
    }
    unanswered += 1;
    session.ping(() => {
      unanswered = 0;
    });
  }, pingEveryMs);
  return timer.unref();
}
