import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { PingRequestSchema, ResponseSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { describe, expect, test } from "vitest";
import { randomFrom, testSeed } from "../testing/random.ts";
import { encodeFrames, FrameDecoder, maxFrameBytes } from "./frames.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";

const pingOf = (size: number) => create(PingRequestSchema, { payload: new Uint8Array(size).fill(size) });
const contentTag = 0x1a; // field 3, bytes: Response.data
const frameOf = (size: number) => encodeFrames(PingRequestSchema, pingOf(size));

function decodeAll(decoder: FrameDecoder): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let frame = decoder.next(); frame; frame = decoder.next()) frames.push(Buffer.from(frame));
  return frames;
}

describe("frames", () => {
  test.each([0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])("a payload of %d bytes comes back", (size) => {
    const decoder = new FrameDecoder();
    decoder.push(frameOf(size));
    const message = pingOf(size);
    const [body, ...more] = decodeAll(decoder);
    expect(more).toEqual([]);
    expect(toBinary(PingRequestSchema, message).every((byte, index) => byte === body?.[index])).toBe(true);
    expect(body?.length).toBe(toBinary(PingRequestSchema, message).length);
    expect(decoder.torn).toBe(false);
  });

  test("a frame in one chunk is not copied", () => {
    const bytes = frameOf(100);
    const decoder = new FrameDecoder();
    decoder.push(bytes);
    expect(decoder.next()?.buffer).toBe(bytes.buffer);
  });

  test("the prefix stands before the frame in the same buffer", () => {
    const bytes = encodeFrames(PingRequestSchema, create(PingRequestSchema, {}), "CONNECT 1\n");
    expect(bytes.toString("latin1")).toBe("CONNECT 1\n\0");
  });

  test.each([
    ["a length over the limit", [0x81, 0x80, 0x80, 0x02]],
    ["a length without end", [0xff, 0xff, 0xff, 0xff, 0xff]],
  ])("%s is refused before its bytes come", (_, bytes) => {
    const decoder = new FrameDecoder();
    decoder.push(Uint8Array.from(bytes));
    expect(() => decoder.next()).toThrow(GuestConnectionError);
  });

  test("a frame over the limit is not sent", () => {
    expect(() => frameOf(maxFrameBytes)).toThrow(GuestConnectionError);
  });

  test("a frame that has begun is torn", () => {
    const decoder = new FrameDecoder();
    decoder.push(frameOf(200).subarray(0, 1));
    expect([decoder.next(), decoder.torn]).toEqual([undefined, true]);
    decoder.push(frameOf(200).subarray(1, 50));
    expect([decoder.next(), decoder.torn]).toEqual([undefined, true]);
  });

  test("an announced length reserves no memory", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => {
      const decoder = new FrameDecoder();
      decoder.push(Uint8Array.from([0x80, 0x80, 0x80, 0x02, 1]));
      decoder.next();
      return decoder;
    });
    expect(decoders.every((decoder) => decoder.torn)).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * 1024 * 1024);
  });

  const seed = testSeed();
  test(`any frames in any chunks come back whole (DNAH_TEST_SEED=${seed})`, () => {
    const random = randomFrom(seed);
    for (let round = 0; round < 100; round++) {
      const messages = Array.from({ length: 1 + random(6) }, () => pingOf(random(random(10) === 0 ? 300_000 : 300)));
      const bodies = messages.map((message) => toBinary(PingRequestSchema, message));
      const stream = Buffer.concat(messages.map((message) => encodeFrames(PingRequestSchema, message)));
      const decoder = new FrameDecoder();
      const got: Uint8Array[] = [];
      for (let at = 0; at < stream.length; ) {
        const size = 1 + random(random(4) === 0 ? 70_000 : 40);
        decoder.push(stream.subarray(at, at + size));
        got.push(...decodeAll(decoder));
        at += size;
      }
      expect(decoder.torn).toBe(false);
      expect(got.map((body) => body.length)).toEqual(bodies.map((body) => body.length));
      expect(Buffer.concat(got).equals(Buffer.concat(bodies))).toBe(true);
    }
  });

  test(`content in any chunks is handed on as it comes, between messages (DNAH_TEST_SEED=${seed})`, () => {
    const random = randomFrom(seed);
    for (let round = 0; round < 100; round++) {
      const events = Array.from({ length: 1 + random(6) }, () =>
        random(3) === 0
          ? { case: "pong" as const, value: { payload: new Uint8Array(random(300)) } }
          : { case: "data" as const, value: Uint8Array.from({ length: random(70_000) }, () => random(256)) },
      );
      const stream = Buffer.concat(
        events.map((event) => encodeFrames(ResponseSchema, create(ResponseSchema, { event }))),
      );
      const decoder = new FrameDecoder(contentTag);
      const content: Uint8Array[] = [];
      let others = 0;
      for (let at = 0; at < stream.length; ) {
        const size = 1 + random(random(4) === 0 ? 70_000 : 40);
        decoder.push(stream.subarray(at, at + size));
        at += size;
        for (;;) {
          const piece = decoder.nextContent();
          const frame = piece ? undefined : decoder.next();
          if (!piece && !frame) break;
          const event = frame && fromBinary(ResponseSchema, frame).event;
          if (piece) content.push(Buffer.from(piece));
          else if (event?.case === "data") content.push(Buffer.from(event.value));
          else others += 1;
        }
      }
      expect(decoder.torn).toBe(false);
      expect(others).toBe(events.filter((event) => event.case === "pong").length);
      const sent = events.flatMap((event) => (event.case === "data" ? [event.value] : []));
      expect(Buffer.concat(content).equals(Buffer.concat(sent))).toBe(true);
    }
  });

  test("content that has begun is torn, and is not mistaken for what only looks like it", () => {
    const decoder = new FrameDecoder(contentTag);
    const frame = encodeFrames(
      ResponseSchema,
      create(ResponseSchema, { event: { case: "data", value: Buffer.alloc(500) } }),
    );
    decoder.push(frame.subarray(0, 100));
    expect([decoder.nextContent()?.length, decoder.nextContent(), decoder.next(), decoder.torn]).toEqual([
      100 - (frame.length - 500),
      undefined,
      undefined,
      true,
    ]);
    const other = new FrameDecoder(contentTag);
    other.push(Uint8Array.from([0x80, 0x04, contentTag, 0x05, 1, 2, 3, 4, 5])); // a field of 5 bytes, and more behind it
    expect([other.nextContent(), other.next(), other.torn]).toEqual([undefined, undefined, true]);
  });

  test(`garbage ends in a typed error or waits for more (DNAH_TEST_SEED=${seed})`, () => {
    const random = randomFrom(seed);
    for (let round = 0; round < 2_000; round++) {
      const decoder = new FrameDecoder();
      try {
        for (let piece = 0; piece < 20; piece++) {
          decoder.push(Uint8Array.from({ length: random(50) }, () => random(256)));
          decodeAll(decoder);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(GuestConnectionError);
      }
    }
  });
});
