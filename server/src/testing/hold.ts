/** Keeps one of the fake host's calls open until the test lets it go. */
import type { FakeHooks } from "../hosts/fake-life.ts";
import type { VmId } from "../hosts/host-client.ts";

export interface Held {
  /** Resolves when the first such call has arrived. */
  readonly begun: Promise<VmId>;
  readonly go: () => void;
}

export function hold(hooks: FakeHooks, hook: keyof FakeHooks): Held {
  const begun = Promise.withResolvers<VmId>();
  const gate = Promise.withResolvers<void>();
  hooks[hook] = (id: VmId) => {
    begun.resolve(id);
    return gate.promise;
  };
  return { begun: begun.promise, go: gate.resolve };
}
