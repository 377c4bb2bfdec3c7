/** daytonah.v1.EventService. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { EventService, WatchEventsResponseSchema } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import { unknownKey } from "../auth/credential.ts";
import { isKeyInForce } from "../db/api-keys.ts";
import type { ServiceDeps } from "../services/deps.ts";
import { type WatchedEvent, watchEvents } from "../services/watch-events.ts";
import { callerOf } from "./admit.ts";

export function createEventService(deps: ServiceDeps): ServiceImpl<typeof EventService> {
  return {
    async *watchEvents({ cursor, sandboxId }, context) {
      const { orgId, keyId } = callerOf(context);
      // The stream outlives what was asked when it was opened.
      const demandAllowed = async () => {
        if (!(await isKeyInForce(deps.db, keyId))) throw unknownKey();
      };
      const watched = watchEvents(deps, { orgId, sandboxId, cursor, demandAllowed }, context.signal);
      for await (const event of watched) yield { message: toProto(event) };
    },
  };
}

type Message = NonNullable<MessageInitShape<typeof WatchEventsResponseSchema>["message"]>;

function toProto(watched: WatchedEvent): Message {
  if (watched.t === "heartbeat") return { case: "heartbeat", value: { cursor: watched.cursor } };
  const { position, kind, sandbox_id, epoch, time, data } = watched.row;
  return {
    case: "event",
    value: {
      cursor: position,
      kind,
      sandboxId: sandbox_id,
      epoch: BigInt(epoch),
      time: timestampFromDate(time),
      data: { ...data },
    },
  };
}
