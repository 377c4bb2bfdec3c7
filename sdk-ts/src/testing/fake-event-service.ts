/** EventService of the fake platform. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Event, type EventService, WatchEventsResponseSchema } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import type { FakeState } from "./fake-state.ts";

export function fakeEventService(platform: FakeState): ServiceImpl<typeof EventService> {
  const { events, faults } = platform;
  return {
    watchEvents: faults.stream(async function* ({ cursor, sandboxId }, context) {
      platform.controlPlane(context);
      const told = events.entries.length;
      const start = cursor === "" ? told : Number(cursor);
      const wanted = (event: Event) => sandboxId === "" || event.sandboxId === sandboxId;
      for (const event of events.entries.slice(start, told).filter(wanted))
        yield message({ case: "event", value: event });
      yield message({ case: "heartbeat", value: { cursor: String(Math.max(start, told)) } });
      for await (const event of events.from(told, context.signal)) {
        if (wanted(event)) yield message({ case: "event", value: event });
      }
    }),
  };
}

type Message = NonNullable<Parameters<typeof create<typeof WatchEventsResponseSchema>>[1]>["message"];

function message(of: NonNullable<Message>) {
  return create(WatchEventsResponseSchema, { message: of });
}
