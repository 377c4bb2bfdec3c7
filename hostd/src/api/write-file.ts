/** Content into a file of the sandbox, in one call of the agent. */
import type { FileInfo } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { WriteMode } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { unexpectedEvent } from "../guest/agent-client.ts";
import { GuestConnectionError } from "../guest/guest-connection-error.ts";
import { checkedInfo } from "./file-convert.ts";
import { type SandboxCall, withMeaning } from "./sandbox-call.ts";

export interface WriteTarget {
  readonly path: string;
  readonly user: string;
  readonly mode: number;
}

/** The path changes at once: the agent writes beside it and renames. */
export function writeWhole(call: SandboxCall, target: WriteTarget, data: Uint8Array): Promise<FileInfo> {
  return write(call, { ...target, writeMode: WriteMode.REPLACE }, data);
}

export function writeAt(call: SandboxCall, target: WriteTarget, offset: bigint, data: Uint8Array): Promise<FileInfo> {
  return write(call, { ...target, writeMode: WriteMode.OFFSET, offset }, data);
}

async function write(
  call: SandboxCall,
  target: WriteTarget & { writeMode: WriteMode; offset?: bigint },
  content: Uint8Array,
): Promise<FileInfo> {
  const { path, user, mode, writeMode, offset = 0n } = target;
  const guestCall = { case: "writeFile" as const, value: { path, user, mode, writeMode, offset } };
  return withMeaning(call.sandboxId, call.explain, async () => {
    using stream = await call.agent.open(guestCall, { ...call, content });
    let info: FileInfo | undefined;
    for (let event = await stream.next(); event; event = await stream.next()) {
      if (event.case === "fileInfo" && !info) info = checkedInfo(event.value);
      else if (event.case !== "heartbeat") throw unexpectedEvent(event);
    }
    if (!info) throw new GuestConnectionError("protocol", "The agent ended a write without the file's description.");
    return info;
  });
}
