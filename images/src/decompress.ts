import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Compression } from "./kernel-payload.ts";
import type { Toolbox } from "./toolbox.ts";

/** Decompresses with Node where it knows the format, else with the lock's own lz4 and xz. */
export async function decompress(
  compression: Compression,
  bytes: Buffer,
  toolbox: Toolbox,
  signal?: AbortSignal,
): Promise<Buffer> {
  switch (compression) {
    case "none":
      return bytes;
    case "gzip":
      return gunzipSync(bytes);
    case "zstd":
      return zstdDecompressSync(bytes);
    case "lz4":
      return toolbox.run(["usr/bin/lz4", "-dc"], { input: bytes, signal });
    case "xz":
      return toolbox.run(["usr/bin/xz", "-dc"], { input: bytes, signal });
  }
}
