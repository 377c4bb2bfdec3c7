import { Sandbox } from "../sandbox.ts";
import { type FakeWithClient, fakeWithClient } from "./client-of.ts";
import type { FakeSandbox } from "./fake-state.ts";

export interface FakeWithSandbox extends FakeWithClient {
  readonly sandbox: Sandbox;
  /** The platform's side of it. */
  readonly state: FakeSandbox;
}

/** A fake platform, a client of it and a sandbox. */
export async function withSandbox(...args: Parameters<typeof fakeWithClient>): Promise<FakeWithSandbox> {
  const fake = await fakeWithClient(...args);
  const sandbox = await Sandbox.create({ client: fake.client });
  const state = fake.platform.sandbox(sandbox.id);
  return { ...fake, sandbox, state, [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose]() };
}
