/** An agent that answers the calls it has a script for, and knows no other: what an old agent is. */
import type net from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason, type Request, type ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { endFrame, responseFrame, type StandInAgent, standInAgent } from "./stand-in-agent.ts";

type Call = Exclude<Request["call"], { case: undefined }>;
type Event = NonNullable<MessageInitShape<typeof ResponseSchema>["event"]>;

export interface Reply {
  readonly socket: net.Socket;
  send(...events: Event[]): void;
  /** Sends these, and the call's end. */
  end(...events: Event[]): void;
  fail(reason: ErrorReason): void;
}

export type Script = { [C in Call["case"]]?: (value: Extract<Call, { case: C }>["value"], reply: Reply) => void };

export function scriptedAgent(script: Script): Promise<StandInAgent> {
  return standInAgent(({ call }, socket) => {
    const send: Reply["send"] = (...events) => {
      if (events.length > 0) socket.write(Buffer.concat(events.map((event) => responseFrame({ event }))));
    };
    const reply: Reply = {
      ...{ socket, send },
      end(...events) {
        send(...events);
        socket.end(endFrame);
      },
      fail: (reason) => void socket.end(responseFrame({ event: { case: "end", value: { error: { reason } } } })),
    };
    const answer = call.case && (script[call.case] as ((value: unknown, reply: Reply) => void) | undefined);
    if (answer) answer(call.value, reply);
    else reply.fail(ErrorReason.UNKNOWN_CALL);
  });
}
