/** GET and HEAD of a file: all of it or a part, unless the client has it already. */
import type { OutgoingHttpHeaders } from "node:http";
import { create as dispositionOf } from "content-disposition";
import fresh from "fresh";
import { asksForRange, type ByteRange, rangeOf } from "./byte-range.ts";
import { acceptedCoding, encode } from "./content-coding.ts";
import { validatorsOf } from "./file-validators.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { isCompressed } from "./is-compressed.ts";
import { changed, openFile } from "./open-file.ts";
import { readTarget } from "./read-query.ts";
import { sendBody, sendHeaders } from "./send-body.ts";

/** Less is not worth it. */
const minCompressedBytes = 1024;

/** For a file's description alone the agent sends a byte of it, if there is one. */
const descriptionOnly: ByteRange = { offset: 0, length: 1 };

export async function getFile({ call, coders, query, request, response }: FilesExchange): Promise<void> {
  const target = readTarget(query);
  const isHead = request.method === "HEAD";
  const probes = isHead || asksForRange(request);
  await using opened = await openFile(call, target, probes ? descriptionOnly : undefined);
  const { name } = opened.info;
  const size = Number(opened.info.size);
  const helps = !probes && size >= minCompressedBytes && !isCompressed(name);
  const wanted = helps ? acceptedCoding(request) : undefined;
  using coder = wanted && coders.take(call.sandboxId);
  const coding = coder && wanted;
  const validators = validatorsOf(opened.info, coding);
  const { etag, lastModified } = validators;
  const send = (status: number, headers: OutgoingHttpHeaders) =>
    sendHeaders(response, status, {
      ...{ etag, "last-modified": lastModified, "cache-control": "private, no-cache", vary: "accept-encoding" },
      ...headers,
    });
  if (fresh(request.headers, { etag, "last-modified": lastModified })) {
    send(304, {});
    return void response.end();
  }
  const described = { "content-type": "application/octet-stream", "content-disposition": dispositionOf(name) };
  if (coding) {
    send(200, { ...described, "content-encoding": coding });
    return await sendBody(response, encode(opened.content, coding), call.signal);
  }
  const whole = { ...described, "accept-ranges": "bytes", "content-length": size };
  if (!probes || isHead) {
    send(200, whole);
    return isHead ? void response.end() : await sendBody(response, opened.content, call.signal);
  }
  const range = rangeOf(request, size, validators);
  await using part = await openFile(call, target, range);
  if (validatorsOf(part.info).etag !== etag) throw changed();
  if (range) {
    const { offset, length } = range;
    send(206, {
      ...whole,
      ...{ "content-length": length, "content-range": `bytes ${offset}-${offset + length - 1}/${size}` },
    });
  } else send(200, whole);
  await sendBody(response, part.content, call.signal);
}
