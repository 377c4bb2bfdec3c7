/** A call of the agent that content of any length follows, as fast as the agent takes it, and that answers once. */
import type { GuestCall, GuestEvent, GuestEventCase, GuestEventValue, GuestStream } from "../guest/agent-client.ts";
import { unexpectedEvent } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { type SandboxCall, withMeaning } from "./sandbox-call.ts";

export type Content = Uint8Array | AsyncIterable<Uint8Array>;

const maxPieceBytes = 1024 * 1024;
/** The agent tells that it lives between two pieces; one piece may wait for a slow disk. */
const answerTimeoutMs = 120_000;

/** Content that breaks off breaks the call off: the agent leaves what it writes as it is for such a case. */
export function sendContent<C extends GuestEventCase, T>(
  call: SandboxCall,
  guestCall: GuestCall,
  content: Content,
  expected: C,
  convert: (value: GuestEventValue<C>) => T,
): Promise<T> {
  return withMeaning(call.sandboxId, call.explain, async () => {
    const whole = content instanceof Uint8Array ? content : undefined;
    using stream = await call.agent.open(guestCall, {
      ...{ signal: call.signal, requestId: call.requestId, timeoutMs: answerTimeoutMs },
      ...(whole ? { content: whole } : {}),
    });
    const answer = answerOf(stream, expected);
    if (!(content instanceof Uint8Array)) await send(stream, content, answer);
    return convert(await answer);
  });
}

async function send(stream: GuestStream, content: AsyncIterable<Uint8Array>, answer: Promise<unknown>): Promise<void> {
  let over = false;
  const onEnd = () => {
    over = true;
  };
  answer.then(onEnd, onEnd);
  try {
    for await (const data of content) {
      for (let at = 0; at < data.length; at += maxPieceBytes) await stream.send(data.subarray(at, at + maxPieceBytes));
      if (over) return; // the agent refused: the caller looks at the answer
    }
    if (!over) await stream.sendClose();
  } catch (error) {
    // What the agent said before the connection broke says more.
    if (error instanceof GuestConnectionError) await answer;
    throw error;
  }
}

/** Read from the start, so that a refusal is known before all is sent. */
async function answerOf<C extends GuestEventCase>(stream: GuestStream, expected: C): Promise<GuestEventValue<C>> {
  let answer: GuestEvent | undefined;
  for (let event = await stream.next(); event; event = await stream.next()) {
    if (event.case === expected && !answer) answer = event;
    else if (event.case !== "heartbeat") throw unexpectedEvent(event);
  }
  if (answer) return answer.value as GuestEventValue<C>;
  throw new GuestConnectionError("protocol", `The agent ended the call without ${expected}.`);
}
