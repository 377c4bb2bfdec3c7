/** gzip for calls' bodies, which unpack to no more than they may have unpacked. */
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import { bodyTooLarge } from "./body-too-large.ts";
import { typedError } from "./interceptors.ts";

export function boundedGzip(maxBytes: number): typeof compressionGzip {
  return {
    ...compressionGzip,
    async decompress(bytes) {
      try {
        return await compressionGzip.decompress(bytes, maxBytes);
      } catch (error) {
        if (ConnectError.from(error).code !== Code.ResourceExhausted) throw error;
        throw typedError(bodyTooLarge(maxBytes), "");
      }
    },
  };
}
