/** Where messages end in a stream of Connect, gRPC or gRPC-Web: five bytes say how long the next one is. */

const prefixBytes = 5;

export interface EnvelopeTracker {
  push(chunk: Uint8Array): void;
  /** No message is half through. */
  readonly atBoundary: boolean;
}

export function createEnvelopeTracker(): EnvelopeTracker {
  const prefix = Buffer.alloc(prefixBytes);
  let prefixSeen = 0;
  let left = 0;
  return {
    push(chunk) {
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const skipped = Math.min(left, chunk.length - at);
          left -= skipped;
          at += skipped;
          continue;
        }
        prefix[prefixSeen] = chunk[at] as number;
        prefixSeen += 1;
        at += 1;
        if (prefixSeen < prefixBytes) continue;
        left = prefix.readUInt32BE(1);
        prefixSeen = 0;
      }
    },
    get atBoundary() {
      return prefixSeen === 0 && left === 0;
    },
  };
}
