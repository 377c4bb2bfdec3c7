/** One WatchVms stream of the fake host. */
import type { WatchVmsResponse } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";

export interface Watcher {
  push(event: WatchVmsResponse): void;
  fail(error: Error): void;
  readonly events: AsyncIterable<WatchVmsResponse>;
}

export function createWatcher(signal: AbortSignal | undefined): Watcher {
  const queue: WatchVmsResponse[] = [];
  let failure: Error | undefined;
  let wake = () => {};
  const fail = (error: Error) => {
    failure ??= error;
    wake();
  };
  signal?.addEventListener("abort", () => fail(signal.reason as Error), { once: true });
  return {
    push(event) {
      queue.push(event);
      wake();
    },
    fail,
    events: (async function* () {
      for (;;) {
        const event = queue.shift();
        if (event) yield event;
        else if (failure) throw failure;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    })(),
  };
}
