/** Several files at once, as a tar archive in either direction. */
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { create as dispositionOf } from "content-disposition";
import { sendContent } from "../api/send-content.ts";
import { unexpectedEvent } from "../guest/agent-client.ts";
import { acceptedCoding, encode } from "./content-coding.ts";
import type { FilesExchange } from "./files-exchange.ts";
import { readFlag, readTarget } from "./read-query.ts";
import { requestBody } from "./request-body.ts";
import { sendBody, sendHeaders, sendJson } from "./send-body.ts";

const maxNames = 1_000;
const maxNameBytes = 4_096;

export async function getArchive({ call, coders, query, request, response }: FilesExchange): Promise<void> {
  const { path, user } = readTarget(query);
  const names = readNames(query);
  await using pieces = call.stream({ case: "readArchive", value: { path, user, names } }, (event) => {
    if (event.case === "data") return event.value;
    if (event.case !== "heartbeat") throw unexpectedEvent(event);
    return undefined;
  });
  const first = await pieces.next(); // what can't be read is a typed error, and no broken archive
  const wanted = acceptedCoding(request);
  using coder = wanted && coders.take(call.sandboxId);
  const coding = coder && wanted;
  const name = `${path.split("/").findLast((part) => part !== "" && part !== "~") ?? "archive"}.tar`;
  sendHeaders(response, 200, {
    ...{ "content-type": "application/x-tar", "content-disposition": dispositionOf(name), vary: "accept-encoding" },
    "cache-control": "no-store",
    ...(coding ? { "content-encoding": coding } : {}),
  });
  const content = startingWith(first, pieces);
  await sendBody(response, coding ? encode(content, coding) : content, call.signal);
}

export async function putArchive(exchange: FilesExchange): Promise<void> {
  const { call, query, response } = exchange;
  const { path, user } = readTarget(query);
  const value = { path, user, keepOwner: readFlag(query, "keep_owner") };
  const guestCall = { case: "writeArchive" as const, value };
  const written = await sendContent(call, guestCall, requestBody(exchange), "archiveWritten", (answer) => answer);
  sendJson(response, { entries: String(written.entries), bytes: String(written.bytes) });
}

async function* startingWith(first: IteratorResult<Uint8Array>, rest: AsyncIterable<Uint8Array>) {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

function readNames(query: URLSearchParams): string[] {
  const names = query.getAll("names");
  if (names.length > maxNames) throw fieldProblem("names", `there are ${names.length}; the limit is ${maxNames}`);
  for (const name of names) {
    if (name === "" || name.includes("\0") || Buffer.byteLength(name) > maxNameBytes) {
      throw fieldProblem("names", `each has 1 to ${maxNameBytes} bytes, none of them NUL`);
    }
  }
  return names;
}
