/** gzip and zstd of HTTP bodies. */
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import type { NodeRequest } from "@daytonah/lib/node-http.ts";
import Negotiator from "negotiator";

export type Coding = "zstd" | "gzip";

type Coder = NodeJS.ReadWriteStream & AsyncIterable<Uint8Array>;

/** Few large pieces cost less than many small ones. */
const chunkSize = 128 * 1024;

/** 8 MiB, what a decoder of HTTP bodies has to have (RFC 9659): more would be memory that a client can have us take. */
const zstdWindowLog = 23;

/** Fast: the network behind us is faster than a better ratio's arithmetic. */
const encoders: Readonly<Record<Coding, () => Coder>> = {
  zstd: () => zlib.createZstdCompress({ chunkSize, params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } }),
  gzip: () => zlib.createGzip({ chunkSize, level: 1 }),
};

const decoders: Readonly<Record<string, () => Coder>> = {
  zstd: () => zlib.createZstdDecompress({ chunkSize, params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLog } }),
  gzip: () => zlib.createGunzip({ chunkSize }),
  "x-gzip": () => zlib.createGunzip({ chunkSize }),
};

/** The coding that the client likes best; undefined for none. */
export function acceptedCoding(request: NodeRequest): Coding | undefined {
  const [best] = new Negotiator(request).encodings(["zstd", "gzip", "identity"]);
  return best === "zstd" || best === "gzip" ? best : undefined;
}

export function encode(content: AsyncIterable<Uint8Array>, coding: Coding): AsyncIterable<Uint8Array> {
  return through(content, encoders[coding]());
}

export function canDecode(coding: string): boolean {
  return Object.hasOwn(decoders, coding);
}

/** Only of what can be decoded. */
export function decode(content: AsyncIterable<Uint8Array>, coding: string): AsyncIterable<Uint8Array> {
  return through(content, (decoders[coding] as () => Coder)());
}

/** What comes out of the coder. An error of the content is the reader's, and a reader that leaves ends the content. */
function through(content: AsyncIterable<Uint8Array>, coder: Coder): AsyncIterable<Uint8Array> {
  pipeline(content, coder).catch(() => undefined); // the reader hears of it: the coder fails with the same error
  return coder;
}
