import { Code, ConnectError, createContextValues, type UnaryRequest } from "@connectrpc/connect";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { expect, test, vi } from "vitest";
import { typedErrors } from "./interceptors.ts";
import type { Logger } from "./log.ts";

async function failureOf(error: unknown, ended?: unknown) {
  const log = { error: vi.fn(), warn: vi.fn() };
  const client = new AbortController();
  if (ended !== undefined) client.abort(ended);
  const { signal } = client;
  const call = typedErrors(log as unknown as Logger)(() => Promise.reject(error));
  const request = {
    signal,
    contextValues: createContextValues(),
    service: HostService,
    method: HostService.method.listHosts,
  };
  const failure = await call(request as unknown as UnaryRequest).catch((caught: unknown) => caught);
  return { code: Code[(failure as ConnectError).code], logged: log.error.mock.calls.length };
}

test("a fault of ours is told as such, and logged", async () => {
  expect(await failureOf(new TypeError("undefined is no function"))).toEqual({ code: "Internal", logged: 1 });
});

test("what a client's connection ended with is no fault of ours", async () => {
  const reset = new ConnectError("http/2 stream closed with error code INTERNAL_ERROR (0x2)", Code.Internal);
  expect(await failureOf(reset, reset)).toEqual({ code: "Canceled", logged: 0 });
  expect(await failureOf(new TypeError("undefined is no function"), reset)).toEqual({ code: "Internal", logged: 1 });
  const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
  expect(await failureOf(late, late)).toEqual({ code: "DeadlineExceeded", logged: 0 });
});
