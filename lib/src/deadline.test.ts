import { expect, test, vi } from "vitest";
import { abortable } from "./deadline.ts";

test("what fails after the signal is nobody's unhandled rejection", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  const failing = Promise.withResolvers<void>();
  await expect(abortable(failing.promise, AbortSignal.abort(new Error("too late")))).rejects.toThrow("too late");
  failing.reject(new Error("later"));
  await new Promise((resolve) => setImmediate(resolve)); // rejections are judged at the end of a turn
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});
