/** Faults to order: the next calls of a method fail, or lose their connection. */
import { type ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** Breaks the connection of the call; set by whatever serves the fake. */
export const cutKey = createContextKey<() => void>(() => undefined);

export type Fault =
  | { readonly t: "error"; readonly error: ConnectError }
  /** The work is done, the answer is lost. */
  | { readonly t: "cut" }
  /** A stream ends without its end after so many events. */
  | { readonly t: "cutAfter"; readonly events: number };

export class FaultPlan {
  readonly #faults = new Map<string, Fault[]>();

  /** The next calls of the method (`CreateSandbox`, say) meet these faults, in this order. */
  next(method: string, ...faults: Fault[]): void {
    this.#faults.set(method, [...(this.#faults.get(method) ?? []), ...faults]);
  }

  /** Wraps a unary handler. */
  unary<I, O>(work: (request: I, context: HandlerContext) => O | Promise<O>) {
    return async (request: I, context: HandlerContext): Promise<O> => {
      const fault = this.take(context.method.name);
      if (fault?.t === "error") throw fault.error;
      const answer = await work(request, context);
      if (fault) await cut(context);
      return answer;
    };
  }

  /** Wraps a streaming handler. */
  stream<I, O>(work: (request: I, context: HandlerContext) => AsyncIterable<O>) {
    const take = (context: HandlerContext) => this.take(context.method.name);
    return async function* (request: I, context: HandlerContext): AsyncGenerator<O> {
      const fault = take(context);
      if (fault?.t === "error") throw fault.error;
      let left = fault?.t === "cutAfter" ? fault.events : fault ? 0 : Number.POSITIVE_INFINITY;
      for await (const event of work(request, context)) {
        if (left-- <= 0) await cut(context);
        yield event;
      }
    };
  }

  /** The next fault that a call of this method is to meet. */
  take(method: string): Fault | undefined {
    return this.#faults.get(method)?.shift();
  }
}

/** Gives what was sent before a moment to arrive, then never answers. */
async function cut(context: HandlerContext): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  context.values.get(cutKey)();
  return new Promise<never>(() => undefined);
}
