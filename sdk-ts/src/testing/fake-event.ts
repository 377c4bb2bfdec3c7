/** Lets something happen on a fake platform. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EventSchema } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import type { FakeState } from "./fake-state.ts";

export function fakeEvent(
  { events }: FakeState,
  kind: string,
  sandboxId: string,
  data: Readonly<Record<string, string>> = {},
): void {
  const cursor = String(events.entries.length + 1);
  const time = timestampFromMs(1_767_323_045_000);
  events.add(create(EventSchema, { cursor, kind, sandboxId, epoch: 1n, time, data: { ...data } }));
}
