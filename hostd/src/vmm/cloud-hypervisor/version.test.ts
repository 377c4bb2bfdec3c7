import { describe, expect, test } from "vitest";
import type { ChApi } from "./api-client.ts";
import { ChApiError } from "./api-error.ts";
import { majorOf, probeStrategy, versionLack } from "./version.ts";

const options = { signal: AbortSignal.timeout(1000) };

test.each([
  ["v53.0", 53],
  ["cloud-hypervisor v53.0\n", 53],
  ["v54.0-12-gabc-dirty", 54],
  ["53.0.0", 53],
  ["nonsense", undefined],
])("the major of %j is %s", (text, major) => {
  expect(majorOf(text)).toBe(major);
});

test("only versions that the driver knows are used", () => {
  expect(versionLack("v53.0")).toBeUndefined();
  expect(versionLack("v54.1")).toBeUndefined();
  // 51.2 and 52.0 mended a way out of the guest, 53 a vsock that could not be half closed.
  expect(versionLack("v52.0")).toMatch(/"v52.0"; this driver knows v53 and v54/);
  expect(versionLack("v60.0")).toMatch(/v60/);
  expect(versionLack("QEMU emulator")).toMatch(/QEMU/);
});

describe("how memory comes back", () => {
  const answering = (error: unknown): ChApi => ({ send: () => Promise.reject(error) }) as unknown as ChApi;
  const notAsked = answering(new Error("asked"));

  test("is by a zone's file in v53, which is not asked", async () => {
    expect(await probeStrategy(notAsked, "v53.0", options)).toBe("cow-zone");
  });

  test("is the VMM's own copy-on-write where it knows the word", async () => {
    const missing = new ChApiError("vm.restore", 500, ["Error from API", "No such file or directory (os error 2)"]);
    expect(await probeStrategy(answering(missing), "v54.0", options)).toBe("CopyOnWrite");
    const unknown = new ChApiError("vm.restore", 400, [
      "Failed to deserialize JSON",
      "unknown variant `CopyOnWrite`, expected `Copy` or `OnDemand` at line 1 column 9",
    ]);
    expect(await probeStrategy(answering(unknown), "v54.0", options)).toBe("cow-zone");
  });

  test("is not guessed from a connection that broke", async () => {
    await expect(probeStrategy(notAsked, "v54.0", options)).rejects.toThrow("asked");
  });
});
