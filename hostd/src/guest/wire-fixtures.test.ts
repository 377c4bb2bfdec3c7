/** The bytes of agent version 1, as the agent's own tests wrote them: what a paused VM speaks, for ever. */
import { globSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { expect, test } from "vitest";
import { FrameDecoder } from "./frames.ts";

const files = globSync(fileURLToPath(new URL("../../../proto/testdata/agent-v1/*.bin", import.meta.url))).sort();

function frameOf(file: string): Uint8Array {
  const decoder = new FrameDecoder();
  decoder.push(readFileSync(file));
  const frame = decoder.next();
  expect(decoder.torn).toBe(false);
  return Uint8Array.from(frame ?? []); // no Buffer, which compares unequal
}

test("there are fixtures", () => {
  expect(files.length).toBeGreaterThan(15);
});

test.each(files.map((file) => [basename(file, ".bin"), file] as const))("%s is one known message", (name, file) => {
  const frame = frameOf(file);
  const schema: DescMessage = name.startsWith("request-") ? RequestSchema : ResponseSchema;
  const message = fromBinary(schema, frame) as {
    $unknown?: unknown[];
    call?: { case?: string };
    event?: { case?: string };
  };
  expect(message.$unknown ?? []).toEqual([]);
  expect(message.call?.case ?? message.event?.case).toMatch(/./);
  expect(fromBinary(schema, toBinary(schema, message as never))).toEqual(message);
});
