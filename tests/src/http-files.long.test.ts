/** 10 GiB over plain HTTP each way, through a real VM: nothing on the way grows. */
import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shell } from "./testing/api.ts";
import { paths, type ReachedSandbox, reachedSandbox } from "./testing/both-paths.ts";
import { type WatchedMemory, watchMemory } from "./testing/watch-memory.ts";

const mib = 1024 * 1024;
const size = 10 * 1024 * mib;

let sandbox: ReachedSandbox;

beforeAll(async () => {
  sandbox = await reachedSandbox();
  await shell(sandbox.api, sandbox.id, `truncate -s ${size} /tmp/sparse`);
});
afterAll(() => sandbox[Symbol.asyncDispose]());

describe.each(paths)("by the %s", (path) => {
  const open = (method: string, file: string) =>
    http.request(`${sandbox.originOf[path]}/v1/sandboxes/${sandbox.id}/files?path=${file}`, {
      method,
      headers: { authorization: `Bearer ${sandbox.accessToken}` },
    });

  test("a file of 10 GiB comes out", async () => {
    using memory = watchMemory();
    const began = performance.now();
    let received = 0;
    const request = open("GET", "/tmp/sparse").end();
    const response = await answerOf(request);
    for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
    expect(received).toBe(size);
    report(`out by the ${path}`, began, memory);
    expect(memory.mostGrowthBytes()).toBeLessThan(64 * mib);
  });

  test("a body of 10 GiB goes in", async () => {
    using memory = watchMemory();
    const began = performance.now();
    const request = open("PUT", "/dev/null");
    const answer = answerOf(request);
    const piece = Buffer.alloc(mib);
    for (let sent = 0; sent < size; sent += piece.length) {
      if (!request.write(piece)) await new Promise((resolve) => request.once("drain", resolve));
    }
    request.end();
    expect((await answer).statusCode).toBe(200);
    report(`in by the ${path}`, began, memory);
    expect(memory.mostGrowthBytes()).toBeLessThan(64 * mib);
  });
});

/** What docs/http-files.md says of large files comes from these lines. */
function report(what: string, began: number, memory: WatchedMemory): void {
  const seconds = (performance.now() - began) / 1000;
  const growth = Math.round(memory.mostGrowthBytes() / mib);
  console.log(
    `10 GiB ${what}: ${Math.round(seconds)} s, ${(size / 1e6 / seconds).toFixed(1)} MB/s, +${growth} MiB at most`,
  );
}

function answerOf(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => request.once("response", resolve).once("error", reject));
}
