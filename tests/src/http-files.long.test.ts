/** 10 GiB over plain HTTP each way, through a real VM: nothing on the way grows. */
import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shell } from "./testing/api.ts";
import { paths, type ReachedSandbox, reachedSandbox } from "./testing/both-paths.ts";
import { watchMemory } from "./testing/watch-memory.ts";

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
    let received = 0;
    const request = open("GET", "/tmp/sparse").end();
    const response = await answerOf(request);
    for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
    expect(received).toBe(size);
    expect(memory.mostGrowthBytes()).toBeLessThan(64 * mib);
  });

  test("a body of 10 GiB goes in", async () => {
    using memory = watchMemory();
    const request = open("PUT", "/dev/null");
    const answer = answerOf(request);
    const piece = Buffer.alloc(mib);
    for (let sent = 0; sent < size; sent += piece.length) {
      if (!request.write(piece)) await new Promise((resolve) => request.once("drain", resolve));
    }
    request.end();
    expect((await answer).statusCode).toBe(200);
    expect(memory.mostGrowthBytes()).toBeLessThan(64 * mib);
  });
});

function answerOf(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => request.once("response", resolve).once("error", reject));
}
