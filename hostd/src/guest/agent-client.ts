/** Calls to one VM's agent: a connection for each, hello and request together, so that a call costs one round trip. */
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { InputSchema, RequestSchema, type Response, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { withDeadline } from "@daytonah/lib/deadline.ts";
import { costsMoreThan } from "@daytonah/lib/decoding-cost.ts";
import { connectGuest, connectLine, type GuestAddress, type GuestConnection } from "./connect.ts";
import { encodeFrames } from "./frames.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";
import { guestProblem } from "./guest-problem.ts";

/** Where every agent listens. */
export const agentPort = 18047;

/** Wire version this daemon speaks. */
const protocol = 1;

const connectTimeoutMs = 5_000;
const answerTimeoutMs = 30_000;
/** The agent sends a heartbeat after 15 s of silence. */
const silenceTimeoutMs = 45_000;

/** However it is made up, so short a frame is decoded at once. */
const cheapBytes = 16 * 1024;
/** In plain fields. The longest frames of an agent: a thousand files with a hundred attributes each. */
const mostCost = 800_000;

export type GuestCall = NonNullable<MessageInitShape<typeof RequestSchema>["call"]>;
export type GuestEvent = Response["event"];
export type GuestEventCase = Exclude<GuestEvent["case"], undefined>;
export type GuestEventValue<C extends GuestEventCase> = Extract<GuestEvent, { case: C }>["value"];

export interface GuestCallOptions {
  readonly signal: AbortSignal;
  /** For the agent's log lines. */
  readonly requestId?: string;
  /** Until the agent answers. */
  readonly timeoutMs?: number;
}

export interface AgentClient {
  /** A call with one answer. Throws a Problem for the agent's refusal, a GuestConnectionError where it did not answer. */
  unary<C extends GuestEventCase>(call: GuestCall, expected: C, options: GuestCallOptions): Promise<GuestEventValue<C>>;
  /** A call that answers with nothing but its end. */
  command(call: GuestCall, options: GuestCallOptions): Promise<void>;
  /** A call with many answers, or with content that follows. The caller disposes it; that ends the call. */
  open(call: GuestCall, options: GuestCallOptions & { readonly content?: Uint8Array }): Promise<GuestStream>;
}

/** An open call. */
export interface GuestStream extends Disposable {
  /** The next event, undefined once the call ended well. Events this daemon does not know are skipped. */
  next(): Promise<GuestEvent | undefined>;
  /** Waits until the agent says that it began, for calls whose first response is that alone. */
  begun(): Promise<void>;
  /**
   * Sends a piece of content, 1 MiB at most in all; resolves when the connection takes more. Where it rejects, `next` may
   * know why: what the agent said before the connection broke.
   */
  send(...pieces: readonly Uint8Array[]): Promise<void>;
  /** Says that no more content follows. */
  sendClose(): Promise<void>;
}

export function createAgentClient(address: GuestAddress): AgentClient {
  const open: AgentClient["open"] = async (call, options) => {
    const first = firstBytes(address, call, options.requestId ?? "", options.content);
    const connection = await connectGuest(address, first, {
      signal: options.signal,
      timeoutMs: Math.min(options.timeoutMs ?? connectTimeoutMs, connectTimeoutMs),
    });
    return streamOf(connection, options.timeoutMs ?? answerTimeoutMs);
  };
  const single = async (call: GuestCall, expected: GuestEventCase | undefined, options: GuestCallOptions) => {
    const timeoutMs = options.timeoutMs ?? answerTimeoutMs;
    // Over the whole call: heartbeats must not keep it alive.
    using deadline = withDeadline(
      options.signal,
      timeoutMs,
      () => new GuestConnectionError("silent", `The agent did not answer within ${timeoutMs} ms.`),
    );
    using stream = await open(call, { ...options, signal: deadline.signal });
    let answer: GuestEvent | undefined;
    for (;;) {
      const event = await stream.next();
      if (!event) break;
      if (event.case === "heartbeat") continue;
      if (event.case !== expected || answer) throw unexpectedEvent(event);
      answer = event;
    }
    if (expected && !answer)
      throw new GuestConnectionError("protocol", `The agent ended the call without ${expected}.`);
    return answer?.value;
  };
  return {
    open,
    unary: async <C extends GuestEventCase>(call: GuestCall, expected: C, options: GuestCallOptions) =>
      (await single(call, expected, options)) as GuestEventValue<C>,
    command: async (call, options) => {
      await single(call, undefined, options);
    },
  };
}

function firstBytes(address: GuestAddress, call: GuestCall, requestId: string, content?: Uint8Array): Uint8Array {
  const request = create(RequestSchema, { protocol, requestId: requestId.slice(0, 64), call });
  const head = encodeFrames(RequestSchema, request, connectLine(address));
  if (!content) return head;
  return Buffer.concat([head, dataPrefix(content.length), content, closeFrame]);
}

const closeFrame = encodeFrames(InputSchema, create(InputSchema, { input: { case: "close", value: {} } }));

/** What stands before `length` bytes of content in the frame that carries them, so that they need not be copied. */
function dataPrefix(length: number): Uint8Array {
  const field = new BinaryWriter().tag(InputSchema.field.data.number, WireType.LengthDelimited).uint32(length).finish();
  const frame = new BinaryWriter().uint32(field.length + length).finish();
  return Buffer.concat([frame, field]);
}

function streamOf(connection: GuestConnection, firstTimeoutMs: number): GuestStream {
  let answered = false;
  let ended = false;
  const read = async (): Promise<GuestEvent> => {
    const frame = await connection.readFrame(answered ? silenceTimeoutMs : firstTimeoutMs);
    if (!frame) throw new GuestConnectionError("broken", "The agent closed the connection in the middle of a call.");
    answered = true;
    if (frame.t === "content") return { case: "data", value: frame.bytes };
    const { event } = decode(frame.bytes);
    if (event.case === "end") {
      ended = true;
      if (event.value.error) throw guestProblem(event.value.error);
    }
    return event;
  };
  return {
    async next() {
      while (!ended) {
        const event = await read();
        if (event.case !== undefined && event.case !== "end") return event;
      }
      return undefined;
    },
    async begun() {
      const event = await read();
      if (event.case !== undefined) throw unexpectedEvent(event);
    },
    send: (...pieces) => connection.write(dataPrefix(pieces.reduce((sum, { length }) => sum + length, 0)), ...pieces),
    sendClose: () => connection.write(closeFrame),
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  };
}

/** An event that the call has no use for. */
export function unexpectedEvent(event: GuestEvent): GuestConnectionError {
  return new GuestConnectionError("protocol", `The agent sent ${event.case} where it must not.`);
}

function decode(frame: Uint8Array): Response {
  try {
    if (frame.length > cheapBytes && costsMoreThan(mostCost, ResponseSchema, frame)) {
      throw new Error("it has more parts than any honest one");
    }
    return fromBinary(ResponseSchema, frame, { readUnknownFields: false });
  } catch (cause) {
    throw new GuestConnectionError("protocol", "The agent sent a frame that is no message.", { cause });
  }
}
