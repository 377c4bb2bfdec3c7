import { connect, type Socket } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { sizeDelimitedDecodeStream, sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { RequestSchema, type Response, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { sleep } from "@daytonah/lib/sleep.ts";

export const AGENT_PORT = 18047;

export type GuestCall = NonNullable<MessageInitShape<typeof RequestSchema>["call"]>;

/** One call to a guest's agent, with no more than a driver's tests need. Connect line and request go out together. */
export async function* guestCall(vsockPath: string, call: GuestCall, signal: AbortSignal): AsyncGenerator<Response> {
  signal.throwIfAborted();
  const socket = connect(vsockPath);
  const abort = () => socket.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const request = create(RequestSchema, { protocol: 1, call });
    socket.write(`CONNECT ${AGENT_PORT}\n`);
    socket.write(sizeDelimitedEncode(RequestSchema, request));
    for await (const response of sizeDelimitedDecodeStream(ResponseSchema, afterLine(socket))) {
      yield response;
      if (response.event.case === "end") {
        return;
      }
    }
    throw new Error("the connection ended in the middle of a call");
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}

/** Answer to a ping: the guest's uptime in milliseconds. */
export async function ping(vsockPath: string, signal: AbortSignal): Promise<number> {
  const call: GuestCall = { case: "ping", value: { payload: new Uint8Array([1, 2, 3]) } };
  for await (const { event } of guestCall(vsockPath, call, signal)) {
    if (event.case === "pong" && event.value.payload.length === 3) {
      const { seconds = 0n, nanos = 0 } = event.value.uptime ?? {};
      return Number(seconds) * 1000 + nanos / 1e6;
    }
  }
  throw new Error("no pong");
}

/** Pings until the agent answers: its guest may still be on the way. */
export async function pingUntilAnswered(vsockPath: string, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return await ping(vsockPath, AbortSignal.any([signal, AbortSignal.timeout(5000)]));
    } catch (cause) {
      if (signal.aborted) {
        throw new Error("the agent did not answer in time", { cause });
      }
    }
    await sleep(20, { signal });
  }
}

async function* afterLine(socket: Socket): AsyncGenerator<Uint8Array> {
  let line: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    if (line === undefined) {
      yield chunk;
      continue;
    }
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf(0x0a);
    if (end >= 0) {
      if (!/^OK \d+$/.test(line.toString("latin1", 0, end))) {
        throw new Error(`CONNECT was answered by ${line.toString("latin1", 0, end)}`);
      }
      yield line.subarray(end + 1);
      line = undefined;
    }
  }
}
