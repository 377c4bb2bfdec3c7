/**
 * Connections to programs in guests. HTTP/1.1 ones are kept for a moment and used again, HTTP/2 ones are shared; how many
 * requests a sandbox has under way is bounded, since its agent takes only so many connections.
 */
import http from "node:http";
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { http2ClientSettings, http2SessionWindowBytes } from "../http2-settings.ts";
import { problem } from "../problem.ts";

export interface GuestPort {
  readonly sandboxId: string;
  readonly port: number;
}

/** Where a visitor was let in to. */
export interface Destination extends GuestPort {
  /** Because the port is public: a connection for those ends when it is closed, one for links with the access token. */
  readonly asPublic: boolean;
}

/** Connects to a port; throws a Problem. The stream keeps its two directions apart. */
export type Dial = (target: Destination, options: { readonly signal: AbortSignal }) => Promise<Duplex>;

/** Below the 5 s after which common servers end an idle connection: they must not do it under a request. */
const idleMs = 4_000;
const idleSessionMs = 60_000;
const maxIdleOfPort = 16;
/** The agent takes 1,000, and execs and files need theirs. */
const maxOfSandbox = 500;

export class GuestConnections implements Disposable {
  readonly #dial: (target: Destination) => Promise<Duplex>;
  readonly #closing = new AbortController();
  readonly #agents: { readonly public: GuestAgent; readonly link: GuestAgent };
  readonly #sessions = new Map<string, Promise<http2.ClientHttp2Session>>();
  readonly #underWay = new Map<string, number>();

  constructor(dial: Dial) {
    this.#dial = (target) => dial(target, { signal: this.#closing.signal });
    const agent = (asPublic: boolean) => new GuestAgent((target) => this.#dial({ ...target, asPublic }));
    this.#agents = { public: agent(true), link: agent(false) };
  }

  /** Counts one request of a sandbox; call what it returns when the request is over. Throws where there are too many. */
  begin({ sandboxId }: GuestPort): () => void {
    const count = this.#underWay.get(sandboxId) ?? 0;
    if (count >= maxOfSandbox) {
      throw problem("GUEST_LIMIT_EXCEEDED", `${count} requests to ports of this sandbox are under way already.`, {
        retryDelayMs: 1_000,
        nextStep: "Wait until some of them have ended.",
      });
    }
    this.#underWay.set(sandboxId, count + 1);
    return () => {
      const left = (this.#underWay.get(sandboxId) ?? 1) - 1;
      if (left > 0) this.#underWay.set(sandboxId, left);
      else this.#underWay.delete(sandboxId);
    };
  }

  /** For http.request. A kept connection may end just when it is used, so `fresh` ones are for what can't be repeated. */
  http1({ sandboxId, port, asPublic }: Destination, { fresh }: { readonly fresh: boolean }): http.RequestOptions {
    const address = { host: sandboxId, port };
    const agent = this.#agents[asPublic ? "public" : "link"];
    if (!fresh) return { ...address, agent };
    return { ...address, createConnection: (options, done) => agent.createConnection(options, done) };
  }

  /** A session that takes requests. */
  async http2(target: Destination): Promise<http2.ClientHttp2Session> {
    const key = `${target.sandboxId}:${target.port}:${target.asPublic}`;
    const existing = await this.#sessions.get(key)?.catch(() => undefined);
    if (existing && !existing.closed && !existing.destroyed) return existing;
    const opening = this.#openSession(target, key);
    this.#sessions.set(key, opening);
    opening.catch(() => this.#forget(key, opening));
    return opening;
  }

  [Symbol.dispose](): void {
    this.#closing.abort(problem("HOST_UNAVAILABLE", "The platform is being stopped.", { retryDelayMs: 1_000 }));
    for (const agent of Object.values(this.#agents)) agent.destroy();
    for (const opening of this.#sessions.values()) opening.then((session) => session.destroy()).catch(() => undefined);
  }

  async #openSession(target: Destination, key: string): Promise<http2.ClientHttp2Session> {
    const socket = await this.#dial(target);
    const session = http2.connect(`http://${target.sandboxId}`, {
      ...http2ClientSettings,
      createConnection: () => socket,
    });
    session.setMaxListeners(0);
    session.setTimeout(idleSessionMs, () => session.close());
    session.once("connect", () => session.setLocalWindowSize(http2SessionWindowBytes));
    session.on("error", () => undefined); // each of its streams hears of it
    const opening = this.#sessions.get(key);
    session.once("close", () => {
      socket.destroy();
      if (opening) this.#forget(key, opening);
    });
    return session;
  }

  #forget(key: string, opening: Promise<http2.ClientHttp2Session>): void {
    if (this.#sessions.get(key) === opening) this.#sessions.delete(key);
  }
}

/** Node's pool, by sandbox and port, for connections that are no sockets of this machine. */
class GuestAgent extends http.Agent {
  readonly #dial: (target: GuestPort) => Promise<Duplex>;
  readonly #idle = new WeakMap<Duplex, NodeJS.Timeout>();

  constructor(dial: (target: GuestPort) => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: maxIdleOfPort });
    this.#dial = dial;
  }

  override createConnection(
    { host, port }: http.ClientRequestArgs,
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial({ sandboxId: host as string, port: Number(port) }).then(
      (stream) => {
        // HTTP ends a message by its length or by the connection's end, never by half of one.
        stream.allowHalfOpen = false;
        if (!("ref" in stream)) Object.assign(stream, { ref: () => stream }); // Node's agent takes it for a socket
        done?.(null, stream);
      },
      (error: Error) => done?.(error, undefined as never),
    );
  }

  override keepSocketAlive(stream: Duplex): boolean {
    this.#idle.set(stream, setTimeout(() => stream.destroy(), idleMs).unref());
    return true;
  }

  override reuseSocket(stream: Duplex, request: http.ClientRequest): void {
    clearTimeout(this.#idle.get(stream));
    super.reuseSocket(stream, request);
  }
}
