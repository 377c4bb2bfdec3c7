/** What Ctrl-C, SIGTERM and a closed stdout mean, which changes in the course of a command. */
import { exitCodes } from "./exit-codes.ts";
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

/** For commands that stay until they are ended: Ctrl-C is how, and no failure. */
export interface EndingOnInterrupt extends Disposable {
  readonly signal: AbortSignal;
  /** Resolves at the interrupt, or settles with the work. */
  until(work: () => Promise<void>): Promise<void>;
}

export function endingOnInterrupt(): EndingOnInterrupt {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  const interrupts = handleInterrupts((cause) => {
    process.exitCode = cause === "EPIPE" ? exitCodes.brokenPipe : exitCodes.interrupted;
    controller.abort(new Error("dnah was interrupted"));
  });
  return {
    signal,
    async until(work) {
      await Promise.race([
        ended,
        work().catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
      ]);
    },
    [Symbol.dispose]: () => interrupts[Symbol.dispose](),
  };
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
