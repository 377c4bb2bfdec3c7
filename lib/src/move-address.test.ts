import { expect, test } from "vitest";
import { moveAddress, readMoveAddress } from "./move-address.ts";

test.each([{ id: "abc1", epoch: 7n }, { id: "snap_abc1" }])(
  "the address of %o is read as it was written",
  (address) => {
    expect(readMoveAddress(moveAddress(address))).toEqual(address);
  },
);

test.each([
  "/v1/moves/",
  "/v1/moves/abc",
  "/v1/moves/abc?epoch=0",
  "/v1/moves/abc?epoch=-1",
  "/v1/moves/abc?epoch=99999999999999999",
  "/v1/moves/abc?epoch=1&epoch=2",
  "/v1/moves/snap_abc?epoch=1",
  "/v1/moves/../vms?epoch=1",
  "/v1/moves/a%2fb?epoch=1",
  "/v1/sandboxes/abc",
])("%s is none", (url) => {
  expect(readMoveAddress(url)).toBeUndefined();
});
