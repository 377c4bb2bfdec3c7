import { create, toBinary } from "@bufbuild/protobuf";
import { ListVmsResponseSchema } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { ListDirectoryResponseSchema } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { ListSandboxesRequestSchema } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { expect, test } from "vitest";
import { costsMoreThan } from "./decoding-cost.ts";

const vms = toBinary(
  ListVmsResponseSchema,
  create(ListVmsResponseSchema, { vms: Array.from({ length: 100 }, () => ({})) }),
);

test("messages in lists count, empty ones too", () => {
  expect(costsMoreThan(1_600, ListVmsResponseSchema, vms)).toBe(false);
  expect(costsMoreThan(1_599, ListVmsResponseSchema, vms)).toBe(true);
});

test("messages in messages and entries of maps count", () => {
  const files = [{ name: "a", xattrs: { a: new Uint8Array(1), b: new Uint8Array(1) } }];
  const page = toBinary(ListDirectoryResponseSchema, create(ListDirectoryResponseSchema, { files }));
  expect(costsMoreThan(25, ListDirectoryResponseSchema, page)).toBe(false);
  expect(costsMoreThan(24, ListDirectoryResponseSchema, page)).toBe(true);
});

test("what is not known counts, and is not looked into", () => {
  expect(costsMoreThan(100, ListSandboxesRequestSchema, vms)).toBe(false);
  expect(costsMoreThan(99, ListSandboxesRequestSchema, vms)).toBe(true);
});

test("bytes that are no message are told of", () => {
  expect(() => costsMoreThan(9, ListVmsResponseSchema, Uint8Array.of(0x0a, 5))).toThrow();
  expect(() => costsMoreThan(9, ListVmsResponseSchema, new Uint8Array(1_000).fill(0x0b))).toThrow();
});
