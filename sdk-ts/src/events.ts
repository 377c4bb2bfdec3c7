import type { Event as WireEvent } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import type { Connection } from "./connection.ts";
import { dateOf } from "./convert.ts";
import { UnavailableError } from "./errors.ts";
import { reopening } from "./reopening.ts";
import { anySignal } from "./signals.ts";

/** Something that happened to a sandbox or a snapshot of your organization. */
export interface SandboxEvent {
  /** Names its place; pass it to `watch` to go on from here. */
  readonly cursor: string;
  /** "sandbox." or "snapshot." and the state it moved to, such as "sandbox.running"; see `docs/events.md`. */
  readonly kind: string;
  /** The sandbox, also of a snapshot. */
  readonly sandboxId: string;
  /** Its epoch then. */
  readonly epoch: number;
  /** When. */
  readonly time: Date;
  /** Facts, such as `reason` of a failure. */
  readonly data: Readonly<Record<string, string>>;
}

/** Options of `client.events.list`. */
export interface ListEventsOptions {
  /** Only those of this sandbox. */
  readonly sandboxId?: string | undefined;
  /** Cursor of the last event you have; all that are kept, 7 days, where absent. */
  readonly cursor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of `client.events.watch`. */
export interface WatchEventsOptions {
  /** Only those of this sandbox. */
  readonly sandboxId?: string | undefined;
  /** Cursor of the last event you have; "0" for all that are kept, 7 days; from now on where absent. */
  readonly cursor?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What happens on the platform; at `client.events`. */
export class Events {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Each event as it happens; never ends by itself. Where the connection breaks it goes on behind your back: no event is left
   * out, none comes twice. Throws an InvalidArgumentError (CURSOR_INVALID) where the cursor lies before what is kept.
   *
   * @example
   * for await (const { kind, sandboxId, cursor } of client.events.watch()) console.log(cursor, kind, sandboxId);
   */
  watch(options: WatchEventsOptions = {}): AsyncGenerator<SandboxEvent, void, undefined> {
    return this.#follow(options, options.cursor ?? "", true);
  }

  /** The events that are kept, oldest first. */
  list(options: ListEventsOptions = {}): AsyncGenerator<SandboxEvent, void, undefined> {
    return this.#follow(options, options.cursor ?? "0", false);
  }

  #follow(options: WatchEventsOptions, from: string, stays: boolean): AsyncGenerator<SandboxEvent, void, undefined> {
    const { events, options: client } = this.#connection;
    const headers = this.#connection.headers();
    const given = anySignal(options.signal, client.signal) ?? new AbortController().signal;
    let cursor = from;
    return reopening({ signal: given, retry: client.retry, heartbeats: true }, async function* (signal, progress) {
      const request = { cursor, sandboxId: options.sandboxId ?? "" };
      for await (const { message } of events.watchEvents(request, { headers, signal })) {
        progress();
        if (message.value) cursor = message.value.cursor;
        if (message.case === "event") yield eventOf(message.value);
        // The first one says that all there is was told.
        else if (message.case === "heartbeat" && !stays) return;
      }
      throw new UnavailableError("The stream of events ended too early.", { code: "unavailable" });
    });
  }
}

function eventOf({ cursor, kind, sandboxId, epoch, time, data }: WireEvent): SandboxEvent {
  return { cursor, kind, sandboxId, epoch: Number(epoch), time: dateOf(time), data };
}
