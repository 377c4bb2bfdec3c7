/** What Ctrl-C, SIGTERM and a closed stdout mean, which changes in the course of a command. */
import { endOnBrokenPipe } from "./output.ts";

export type InterruptCause = "SIGINT" | "SIGTERM" | "SIGHUP" | "EPIPE";

let handler: ((cause: InterruptCause) => void) | undefined;

/** Called once, by main. Without a handler the default holds: a signal ends dnah. */
export function installInterrupts(): void {
  endOnBrokenPipe(() => {
    handler?.("EPIPE");
    return handler !== undefined;
  });
}

/** Sends interrupts to `onInterrupt` until it is disposed. */
export function handleInterrupts(onInterrupt: (cause: InterruptCause) => void): Disposable {
  const previous = handler;
  handler = onInterrupt;
  const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const listener = () => onInterrupt(signal);
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return {
    [Symbol.dispose]() {
      handler = previous;
      for (const remove of listeners) remove();
    },
  };
}
