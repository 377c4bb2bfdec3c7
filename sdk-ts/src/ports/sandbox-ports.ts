import type { Duplex } from "node:stream";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Port as WirePort } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { forwardTcp, openTcp } from "#tcp";
import { dateOf, defined } from "../convert.ts";
import { convertError } from "../convert-error.ts";
import type { DataPlane } from "../data-plane/data-plane.ts";
import { resuming } from "../data-plane/resuming.ts";
import { UnavailableError } from "../errors.ts";
import { randomId } from "../random-id.ts";
import { type SandboxInfo, sandboxInfoOf } from "../sandbox-types.ts";
import type { ForwardOptions, ListeningPort, PortForward, PortUrl, PortUrlOptions } from "./port-types.ts";

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The TCP ports of a sandbox; at `sandbox.ports`. A server that listens on 127.0.0.1 or ::1 in the sandbox can be reached like
 * any other. Every port is private: it takes a token or the sandbox's credential, unless it is made public.
 *
 * @example
 * await sandbox.start("python3 -u -m http.server 8080");
 * for await (const ports of sandbox.ports.watch()) if (ports.some(({ port }) => port === 8080)) break;
 * const { url } = await sandbox.ports.url(8080);
 *
 * @example
 * await using forward = await sandbox.ports.forward(5432, { localPort: 15432 }); // Node only
 */
export class SandboxPorts {
  readonly #plane: DataPlane;

  /** @internal */
  constructor(plane: DataPlane) {
    this.#plane = plane;
  }

  /** The ports that programs listen on now, by number. */
  async list(options: CallOptions = {}): Promise<readonly ListeningPort[]> {
    const answer = await this.#plane.unary((way, call) => way.ports.listPorts({}, call), {
      signal: options.signal,
      repeatable: true,
    });
    return answer.ports.map(portOf);
  }

  /** The ports now, and again, all of them, at each change and after a broken connection. */
  watch(options: CallOptions = {}): AsyncGenerator<readonly ListeningPort[], void, undefined> {
    const signal = this.#plane.signal(options.signal);
    return resuming(this.#plane, { signal, heartbeats: true }, async function* (way, call, progress) {
      for await (const { event } of way.ports.watchPorts({}, call)) {
        progress();
        if (event.case === "ports") yield event.value.ports.map(portOf);
      }
      throw new UnavailableError("The stream of ports ended too early.", { code: "unavailable" });
    });
  }

  /** Addresses of a port with a token that lets in for a time; the port need not be open yet. */
  async url(port: number, options: PortUrlOptions = {}): Promise<PortUrl> {
    const { ttlMs, signal } = options;
    const { connection, sandboxId } = this.#plane;
    const request = defined({ sandboxId, port, ttl: ttlMs === undefined ? undefined : durationFromMs(ttlMs) });
    const answer = await connection.unary((call) => connection.sandboxes.createPortUrl(request, call), {
      signal,
      headers: this.#plane.headers,
      repeatable: true,
    });
    const { url, directUrl, token, expireTime } = answer;
    return { url, directUrl: directUrl || undefined, token, expireTime: dateOf(expireTime) };
  }

  /** Opens a port's address to everyone, or closes it again. Needs an API key with scope `sandboxes:write`. */
  async setPublic(port: number, isPublic: boolean, options: CallOptions = {}): Promise<SandboxInfo> {
    const { connection, sandboxId } = this.#plane;
    const request = { sandboxId, port, public: isPublic, idempotencyKey: randomId() };
    const answer = await connection.unary((call) => connection.sandboxes.setPortVisibility(request, call), {
      signal: options.signal,
      repeatable: true,
    });
    return sandboxInfoOf(answer.sandbox);
  }

  /**
   * A connection to a port, as bare bytes. Node only. Each direction ends on its own (`end()`); aborting the signal destroys
   * it. Throws a ConflictError (PORT_CLOSED) where nothing listens, a LimitError (GUEST_LIMIT_EXCEEDED) over the sandbox's
   * limit of connections, an UnsupportedError in a page.
   */
  async connect(port: number, options: CallOptions = {}): Promise<Duplex> {
    const plane = this.#plane;
    const signal = plane.signal(options.signal);
    return plane.repeating(signal, async (way) => {
      const url = `${way.url}/v1/sandboxes/${plane.sandboxId}/ports/${port}`;
      try {
        return await openTcp({ url, headers: plane.headers, signal });
      } catch (error) {
        throw convertError(error, signal);
      }
    });
  }

  /** Listens on this machine; each connection made there leads to the sandbox's port. Node only. */
  forward(port: number, options: ForwardOptions = {}): Promise<PortForward> {
    return forwardTcp(() => this.connect(port, { signal: options.signal }), options);
  }
}

function portOf({ port, address, pid, command }: WirePort): ListeningPort {
  return { port, address, pid: pid || undefined, command };
}
