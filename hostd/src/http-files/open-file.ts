/** A file of the sandbox, opened by the agent: what it is, then its bytes. */
import type { FileInfo } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { checkedInfo } from "../api/file-convert.ts";
import { type SandboxCall, withMeaning } from "../api/sandbox-call.ts";
import type { WriteTarget } from "../api/write-file.ts";
import { type GuestEvent, unexpectedEvent } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import type { ByteRange } from "./byte-range.ts";

export interface OpenFile extends AsyncDisposable {
  readonly info: FileInfo;
  /** Throws FILE_CHANGED, before the last of them, where the file was written to meanwhile. */
  readonly content: AsyncIterable<Uint8Array>;
}

/** All of the file where no range is given. The caller disposes it. */
export async function openFile(call: SandboxCall, { path, user }: WriteTarget, range?: ByteRange): Promise<OpenFile> {
  const { offset, length } = range ?? { offset: 0, length: 0 };
  const value = { path, user, offset: BigInt(offset), length: BigInt(length), mustNotChange: true };
  const events = call.stream({ case: "readFile", value }, (event) => (event.case === "heartbeat" ? undefined : event));
  const info = await withMeaning(call.sandboxId, call.explain, async () => {
    const first = (await events.next()).value as GuestEvent | undefined;
    if (first?.case === "fileInfo") return checkedInfo(first.value);
    await events.return(undefined);
    throw first ? unexpectedEvent(first) : new GuestConnectionError("protocol", "The agent described no file.");
  });
  return {
    info,
    content: lastHeldBack(events, range?.length ?? Number(info.size)),
    [Symbol.asyncDispose]: async () => void (await events.return(undefined)),
  };
}

/**
 * The last piece goes out when the agent has said that the file is still the same: a client that has all the bytes it was
 * promised has a whole file.
 */
async function* lastHeldBack(events: AsyncIterable<GuestEvent>, length: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array | undefined;
  let left = length;
  for await (const event of events) {
    if (event.case !== "data") throw unexpectedEvent(event);
    left -= event.value.length;
    if (left < 0) throw changed();
    if (held) yield held;
    held = event.value;
  }
  if (left > 0) throw changed();
  if (held) yield held;
}

export function changed(): Problem {
  return problem("FILE_CHANGED", "The file was written to while it was read.");
}
