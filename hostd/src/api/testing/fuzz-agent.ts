/**
 * Feeds the daemon's decoders what agents might send: messages with odd values, and the bytes of known messages with
 * something wrong in them. Whatever comes, it is refused as a breach of the wire, or it can be told to clients of every
 * protocol.
 *
 * Known messages: proto/testdata. A stream of bytes that once went wrong is kept in proto/testdata/fuzz, where the
 * agent's own tests find it too.
 */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { type Response, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import {
  FileInfoSchema,
  ListDirectoryResponseSchema,
  ReplaceInFilesResponseSchema,
  SearchFilesResponseSchema,
  WatchFilesResponseSchema,
} from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { ListPortsResponseSchema } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import {
  ExecResponseSchema,
  GetEnvironmentResponseSchema,
  ListProcessesResponseSchema,
} from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { toConnectError } from "@daytonah/lib/problem.ts";
import { FrameDecoder, maxFrameBytes } from "../../guest/frames.ts";
import { GuestConnectionError } from "../../guest/guest-connection-error.ts";
import { guestProblem } from "../../guest/guest-problem.ts";
import { type Random, randomFrom } from "../../testing/random.ts";
import { toFileChange, toFileInfo, toReplacement, toTextMatch } from "../file-convert.ts";
import { toPorts } from "../port-convert.ts";
import { toProcess, toProcessEvent } from "../process-convert.ts";
import { mutated, randomMessage } from "./random-message.ts";

const testdata = fileURLToPath(new URL("../../../../proto/testdata", import.meta.url));
const known = globSync([`${testdata}/agent-v*/response-*.bin`, `${testdata}/fuzz/*.bin`]).sort();

export interface FuzzOutcome {
  /** Events that were decoded, by their name. */
  readonly decoded: Readonly<Record<string, number>>;
  readonly refused: number;
}

export function fuzzAgent(seed: number, rounds: number): FuzzOutcome {
  const random = randomFrom(seed);
  const seeds = known.map((file) => Uint8Array.from(readFileSync(file)));
  const outcome = { decoded: {} as Record<string, number>, refused: 0 };
  for (const bytes of seeds) feed(bytes, random, outcome);
  for (let round = 0; round < rounds; round++) {
    const stream = randomStream(seeds, random);
    try {
      feed(stream, random, outcome);
    } catch (cause) {
      const shown = Buffer.from(stream.subarray(0, 4096)).toString("base64");
      throw new Error(`seed ${seed}, round ${round}: keep these bytes in proto/testdata/fuzz: ${shown}`, { cause });
    }
  }
  return outcome;
}

function randomStream(seeds: readonly Uint8Array[], random: Random): Uint8Array {
  const body = toBinary(ResponseSchema, randomMessage(ResponseSchema, random) as Response);
  const frame = Buffer.concat([lengthOf(body.length), body]);
  switch (random(4)) {
    case 0:
      return frame;
    case 1:
      return mutated(frame, seeds, random);
    case 2: {
      const broken = mutated(body, seeds, random); // in a frame that is whole
      return Buffer.concat([lengthOf(broken.length), broken]);
    }
    default:
      return mutated(seeds[random(seeds.length)] as Uint8Array, [...seeds, frame], random);
  }
}

function lengthOf(length: number): Buffer {
  const bytes: number[] = [];
  for (let rest = length; ; rest >>>= 7) {
    bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) return Buffer.from(bytes);
  }
}

/** In chunks of any size. */
function feed(stream: Uint8Array, random: Random, outcome: { decoded: Record<string, number>; refused: number }): void {
  const decoder = new FrameDecoder();
  try {
    for (let at = 0; at < stream.length; ) {
      const chunk = stream.subarray(at, at + 1 + random(random(2) === 0 ? 10 : 10_000));
      at += chunk.length;
      decoder.push(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        if (frame.length > maxFrameBytes) throw new Error(`a frame of ${frame.length} bytes came through`);
        const { event } = decode(frame);
        const name = event.case ?? "unknown";
        tell(event);
        outcome.decoded[name] = (outcome.decoded[name] ?? 0) + 1;
      }
    }
  } catch (error) {
    if (!(error instanceof GuestConnectionError)) throw error;
    outcome.refused += 1;
  }
}

/** As the agent's client does. */
function decode(frame: Uint8Array): Response {
  try {
    return fromBinary(ResponseSchema, frame);
  } catch (cause) {
    throw new GuestConnectionError("protocol", "not a message", { cause });
  }
}

/** As the services do, to a client that wants JSON and one that wants bytes. */
function tell(event: Response["event"]): unknown {
  switch (event.case) {
    case "end":
      return event.value.error && toConnectError(guestProblem(event.value.error), "r");
    case "fileInfo":
      return write(FileInfoSchema, toFileInfo(event.value));
    case "fileList":
      return write(ListDirectoryResponseSchema, { files: event.value.files.map(toFileInfo) });
    case "fileChange":
      return write(WatchFilesResponseSchema, { event: { case: "change", value: toFileChange(event.value) } });
    case "textMatch":
      return write(SearchFilesResponseSchema, { matches: [toTextMatch(event.value)] });
    case "fileReplaced":
      return write(ReplaceInFilesResponseSchema, { files: [toReplacement(event.value, event.value.path)] });
    case "processStarted":
      return write(ExecResponseSchema, { event: toProcessEvent({ case: "started", value: event.value }, "p") });
    case "processOutput":
      return write(ExecResponseSchema, { event: toProcessEvent({ case: "output", value: event.value }, "p") });
    case "processExited":
      return write(ExecResponseSchema, { event: toProcessEvent({ case: "exited", value: event.value }, "p") });
    case "processList":
      return write(ListProcessesResponseSchema, { processes: event.value.processes.map(toProcess) });
    case "environment":
      return write(GetEnvironmentResponseSchema, { env: event.value.env });
    case "portList":
      return write(ListPortsResponseSchema, { ports: toPorts(event.value.ports) });
    default:
      return undefined; // nothing of it reaches a client
  }
}

function write<D extends DescMessage>(schema: D, value: MessageInitShape<D>): unknown {
  const message = create(schema, value);
  return [toBinary(schema, message), toJson(schema, message)];
}
