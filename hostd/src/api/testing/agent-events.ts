/** What an agent may say, made short. */
import type net from "node:net";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ChangeKind, OutputStream, type ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { responseFrame } from "../../guest/testing/stand-in-agent.ts";

export type Event = NonNullable<MessageInitShape<typeof ResponseSchema>["event"]>;

export const heartbeat: Event = { case: "heartbeat", value: {} };
export const frame = (event: Event) => responseFrame({ event });

const file = (path: string, more: object = {}) => ({
  ...{ path, name: path.slice(path.lastIndexOf("/") + 1) },
  ...more,
});
export const info = (path: string, more: object = {}): Event => ({ case: "fileInfo", value: file(path, more) });
export const page = (...paths: string[]): Event => ({
  case: "fileList",
  value: { files: paths.map((path) => file(path)) },
});
export const change = (kind: ChangeKind, path = "x"): Event => ({ case: "fileChange", value: { kind, path } });
export const ready = change(ChangeKind.READY);
export const started = (processId = "p"): Event => ({ case: "processStarted", value: { processId, pid: 1 } });
export const output = (offset: number, size: number): Event => ({
  case: "processOutput",
  value: { offset: BigInt(offset), stream: OutputStream.STDOUT, data: new Uint8Array(size) },
});
export const exited: Event = { case: "processExited", value: {} };
export const port = (number: number, address = "::"): Event => ({
  case: "portList",
  value: { ports: [{ port: number, address }] },
});
export const replaced = (path: string): Event => ({ case: "fileReplaced", value: { path, replacements: 1n } });
export const logLine = (sequence: number, more: object = {}): Event => ({
  case: "logLine",
  value: { sequence: BigInt(sequence), level: "info", message: "m", ...more },
});
export const processes = (processId: string): Event => ({ case: "processList", value: { processes: [{ processId }] } });

/** Sends one after the other, as fast as they are taken. */
export function repeat(socket: net.Socket, next: () => Buffer, goesOn = () => true): void {
  const more = () => {
    while (!socket.destroyed && goesOn() && socket.write(next()));
  };
  socket.on("drain", more);
  more();
}
