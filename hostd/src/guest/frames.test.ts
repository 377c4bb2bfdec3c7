import { create, toBinary } from "@bufbuild/protobuf";
import { PingRequestSchema } from "@daytonah/gen/daytonah/guest/v1/guest_pb.ts";
import { describe, expect, test } from "vitest";
import { randomFrom, testSeed } from "../testing/random.ts";
import { encodeFrames, FrameDecoder, maxFrameBytes } from "./frames.ts";
import { GuestConnectionError } from "./guest-connection-error.ts";

const pingOf = (size: number) => create(PingRequestSchema, { payload: new Uint8Array(size).fill(size) });
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
