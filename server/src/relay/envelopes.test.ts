import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { createEnvelopeTracker } from "./envelopes.ts";

test("boundaries are found however the stream is cut", () => {
  const messages = [
    encodeEnvelope(0, new Uint8Array(3)),
    encodeEnvelope(2, new Uint8Array(0)),
    encodeEnvelope(0, new Uint8Array(300)),
  ];
  const stream = Buffer.concat(messages);
  let end = 0;
  const boundaries = new Set(messages.map((message) => (end += message.length)));
  for (const size of [1, 2, 7, 64, stream.length]) {
    const tracker = createEnvelopeTracker();
    for (let at = 0; at < stream.length; at += size) {
      tracker.push(stream.subarray(at, at + size));
      expect(tracker.atBoundary).toBe(boundaries.has(Math.min(at + size, stream.length)));
    }
  }
});
