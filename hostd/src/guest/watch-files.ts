/**
 * The changes below a directory. What happened while there was no connection nobody knows, so each new one tells OVERFLOW
 * where the first told READY.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ChangeKind,
  type FileChange,
  FileChangeSchema,
  type WatchFilesRequestSchema,
} from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { type AgentClient, unexpectedEvent } from "./agent-client.ts";
import { lastingStream } from "./lasting-stream.ts";
import type { RetryOptions } from "./retries.ts";

export type WatchFiles = MessageInitShape<typeof WatchFilesRequestSchema>;

/** Changes, and undefined for "nothing for a while". */
export async function* watchFiles(
  agent: AgentClient,
  value: WatchFiles,
  options: RetryOptions & { readonly requestId: string },
): AsyncGenerator<FileChange | undefined> {
  let ready = 0;
  const call = () => ({ case: "watchFiles" as const, value });
  for await (const { event, connection } of lastingStream(agent, call, "fileChange", options)) {
    if (event.case === "heartbeat") {
      if (ready > 0) yield undefined;
      continue;
    }
    const isReady = event.value.kind === ChangeKind.READY;
    if (isReady === (ready === connection)) throw unexpectedEvent(event);
    yield isReady && ready > 0 ? create(FileChangeSchema, { kind: ChangeKind.OVERFLOW }) : event.value;
    ready = connection;
  }
}
