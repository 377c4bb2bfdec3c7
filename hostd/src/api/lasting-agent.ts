/**
 * The agent of a sandbox over its whole life, whichever VM it is in: a call waits until there is one that answers. What a
 * stream says of a VM that is paused under it is that its connection broke, so that it is opened once more in the next.
 */
import type { AgentClient, GuestCall, GuestStream } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import type { LiveVm, VmEntry } from "../vm/vm-entry.ts";

/** Streams that go on by offset in another connection. */
const lasting: ReadonlySet<GuestCall["case"]> = new Set([
  "startProcess",
  "attachProcess",
  "watchFiles",
  "watchPorts",
  "readLogs",
]);

/** `wake` is for calls that come while it is paused; a stream that was open before waits for others to resume it. */
export function lastingAgent(entry: VmEntry, wake: () => Promise<unknown>): AgentClient {
  let attached = false;
  const within = async <T>(
    brief: boolean,
    options: { readonly signal: AbortSignal },
    work: (live: LiveVm, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    using use = await entry.use(options.signal, { brief, whenPaused: wake });
    return work(use.live, AbortSignal.any([options.signal, use.live.ended.signal]));
  };
  return {
    unary: (call, expected, options) =>
      within(true, options, ({ agent }, signal) => agent.unary(call, expected, { ...options, signal })),
    command: (call, options) =>
      within(true, options, ({ agent }, signal) => agent.command(call, { ...options, signal })),
    async open(call, options) {
      const lasts = lasting.has(call.case);
      const brief = !lasts && call.case !== "forwardPort";
      const use = await entry.use(options.signal, { brief, ...(lasts && attached ? {} : { whenPaused: wake }) });
      const { live } = use;
      const signal = AbortSignal.any([options.signal, live.ended.signal]);
      const meaning = (error: unknown) =>
        lasts && live.ended.signal.aborted && !options.signal.aborted ? interrupted(error) : error;
      try {
        const stream = await live.agent.open(call, { ...options, signal });
        attached ||= lasts;
        return usedStream(stream, use, meaning);
      } catch (error) {
        use[Symbol.dispose]();
        throw meaning(error);
      }
    },
  };
}

function usedStream(stream: GuestStream, use: Disposable, meaning: (error: unknown) => unknown): GuestStream {
  return {
    next: () =>
      stream.next().catch((error: unknown) => {
        throw meaning(error);
      }),
    begun: () => stream.begun(),
    send: (...pieces) => stream.send(...pieces),
    sendClose: () => stream.sendClose(),
    [Symbol.dispose]() {
      stream[Symbol.dispose]();
      use[Symbol.dispose]();
    },
  };
}

function interrupted(cause: unknown): GuestConnectionError {
  return new GuestConnectionError("broken", "The VM stopped in the middle of a stream.", { cause });
}
