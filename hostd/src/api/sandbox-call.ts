/** What every call of the data plane has in common: which VM it is for, and what a broken connection to it means. */
import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext } from "@connectrpc/connect";
import { accessTokenInvalid } from "@daytonah/lib/access-token-invalid.ts";
import { abortable } from "@daytonah/lib/deadline.ts";
import { fieldProblem, type Problem, problem } from "@daytonah/lib/problem.ts";
import { requestIdKey } from "@daytonah/lib/request-id.ts";
import type { AgentClient, GuestCall, GuestEvent, GuestEventCase, GuestEventValue } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { portNotPublic } from "../vm/access-ends.ts";
import { sandboxPaused, type VmEntry, type VmUse } from "../vm/vm-entry.ts";
import type { VmRegistry } from "../vm/vm-registry.ts";
import { lastingAgent } from "./lasting-agent.ts";

/** A connection breaks a little before the VMM's end is seen. */
const exitNewsMs = 500;

/** Which of a sandbox's access tokens the call came with; absent where it came with an API key. */
export const tokenGenerationHeader = "sandbox-token-generation";
/** The port that the call was let in to because it is public. */
export const publicPortHeader = "sandbox-public-port";

/** What calls of the data plane need of the host. */
export interface CallDeps {
  readonly registry: VmRegistry;
  /** Runs a paused VM on for a call; throws where calls don't wake it. */
  readonly wake: (entry: VmEntry) => Promise<unknown>;
}

export interface SandboxCall {
  readonly sandboxId: string;
  readonly entry: VmEntry;
  /** Over pauses and snapshots: what is asked meanwhile waits. */
  readonly agent: AgentClient;
  readonly requestId: string;
  /** Aborts when the client goes away, and with a Problem when it is no longer let in. */
  readonly signal: AbortSignal;
  /** The VM as it lives now; wakes it as a call does. Counts as a use of it until disposed. */
  use(): Promise<VmUse>;
  /** A call with one answer. `convert` throws a GuestConnectionError for one that the agent must not give. */
  unary<C extends GuestEventCase, T>(
    call: GuestCall,
    expected: C,
    convert: (value: GuestEventValue<C>) => T,
    timeoutMs?: number,
  ): Promise<T>;
  command(call: GuestCall, timeoutMs?: number): Promise<void>;
  /** A call with many answers. `convert` as for unary; what it makes undefined is passed over. */
  stream<T>(call: GuestCall, convert: (event: GuestEvent) => T | undefined): AsyncGenerator<T>;
  /** Throws what a broken connection means where that is known: the VM died, the sandbox was deleted. */
  explain(this: void): Promise<void>;
}

/** What is taken of connect-es's context: calls that are no rpc have as much. */
export type CallContext = Pick<HandlerContext, "requestHeader" | "signal" | "values">;

/** Finds the VM that the call's headers name. */
export function sandboxCall({ registry, wake }: CallDeps, context: CallContext): SandboxCall {
  const entry = entryOf(registry, context.requestHeader);
  const { sandboxId } = entry;
  const signal = AbortSignal.any([context.signal, ...accessSignals(entry, context.requestHeader)]);
  const requestId = context.values.get(requestIdKey);
  const options = { signal, requestId };
  const agent = lastingAgent(entry, () => wake(entry));
  const explain = async () => {
    entry.requireLasting();
    if (entry.record.state === "running" && !entry.held) await newsOf(entry, signal);
    signal.throwIfAborted();
    entry.requireLasting();
  };
  return {
    ...{ sandboxId, entry, agent, requestId, signal, explain },
    use: () => entry.use(signal, { brief: false, whenPaused: () => wake(entry) }),
    unary: (call, expected, convert, timeoutMs) =>
      withMeaning(sandboxId, explain, async () =>
        convert(await agent.unary(call, expected, withTimeout(options, timeoutMs))),
      ),
    command: (call, timeoutMs) =>
      withMeaning(sandboxId, explain, () => agent.command(call, withTimeout(options, timeoutMs))),
    async *stream(call, convert) {
      try {
        using stream = await agent.open(call, options);
        for (let event = await stream.next(); event; event = await stream.next()) {
          const told = convert(event);
          if (told !== undefined) yield told;
        }
      } catch (error) {
        throw await meaningOf(sandboxId, explain, error);
      }
    },
  };
}

/** A connection may break for its own reasons: then there is none. */
async function newsOf(entry: VmEntry, signal: AbortSignal): Promise<void> {
  const waiting = new AbortController();
  const limit = sleep(exitNewsMs, undefined, { signal: waiting.signal }).catch(() => undefined);
  await abortable(Promise.race([entry.nextChange(), limit]), signal)
    .catch(() => undefined)
    .finally(() => waiting.abort());
}

function withTimeout<T extends object>(options: T, timeoutMs: number | undefined): T & { readonly timeoutMs?: number } {
  return timeoutMs === undefined ? options : { ...options, timeoutMs };
}

/** Runs work on the agent; a connection that broke becomes a Problem. */
export async function withMeaning<T>(
  sandboxId: string,
  explain: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw await meaningOf(sandboxId, explain, error);
  }
}

export async function meaningOf(sandboxId: string, explain: () => Promise<void>, error: unknown): Promise<unknown> {
  if (!(error instanceof GuestConnectionError)) return error;
  try {
    await explain();
    return agentUnreachable(sandboxId, error);
  } catch (meaning) {
    return meaning;
  }
}

function agentUnreachable(sandboxId: string, cause: GuestConnectionError): Problem {
  return problem("AGENT_UNREACHABLE", "The agent in the sandbox's VM does not answer.", {
    metadata: { sandbox_id: sandboxId, fault: cause.fault },
    retryDelayMs: 1_000,
    cause,
  });
}

/**
 * A call ends with what let it in. Relayed ones, too: whoever relays may have checked it a moment ago. One that names both ends
 * with either: what a client adds must never keep its call alive.
 */
function accessSignals({ record, accessEnds }: VmEntry, headers: Headers): AbortSignal[] {
  const signals: AbortSignal[] = [];
  const publicPort = headers.get(publicPortHeader);
  if (publicPort !== null) {
    const port = Number(publicPort);
    if (!record.access?.publicPorts.includes(port)) throw portNotPublic(port);
    signals.push(accessEnds.ofPublicPort(port));
  }
  const generation = headers.get(tokenGenerationHeader);
  if (generation !== null) {
    if (record.access && Number(generation) < record.access.tokenGeneration) throw accessTokenInvalid();
    signals.push(accessEnds.ofToken());
  }
  return signals;
}

export function sandboxIdOf(header: (name: string) => string | null | undefined): string {
  const sandboxId = header("sandbox-id") ?? "";
  if (/^[a-z0-9]{1,63}$/.test(sandboxId)) return sandboxId;
  throw fieldProblem("sandbox-id", "the header must name a sandbox", "Send the header `sandbox-id`.");
}

/** The VM, in a state in which a call to it may be answered sooner or later. */
function entryOf(registry: VmRegistry, headers: Headers): VmEntry {
  const sandboxId = sandboxIdOf((name) => headers.get(name));
  const entry = registry.get(sandboxId);
  if (!entry) {
    throw problem("SANDBOX_NOT_FOUND", `This host has no sandbox ${sandboxId}.`, {
      metadata: { sandbox_id: sandboxId },
    });
  }
  const { record } = entry;
  const epoch = headers.get("sandbox-epoch");
  if (epoch !== null && epoch !== String(record.epoch)) {
    throw problem("SANDBOX_STATE_CONFLICT", `The sandbox is at epoch ${record.epoch}, and the call was for ${epoch}.`, {
      metadata: { sandbox_id: sandboxId, state: record.state, epoch: String(record.epoch) },
    });
  }
  entry.requireLasting();
  if (record.state === "paused" && !record.lifecycle?.autoResume) throw sandboxPaused(sandboxId);
  if (record.state === "starting") {
    throw problem("SANDBOX_NOT_RUNNING", "The sandbox is starting.", {
      metadata: { sandbox_id: sandboxId, state: record.state },
    });
  }
  return entry;
}
