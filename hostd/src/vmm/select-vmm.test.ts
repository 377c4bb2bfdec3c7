import { describe, expect, test } from "vitest";
import { createCommandRunner } from "../host/exec.ts";
import { lackOfCloudHypervisor, selectVmm, type VmmChoice } from "./select-vmm.ts";

const options = { signal: AbortSignal.timeout(10_000) };

describe("Cloud Hypervisor is chosen", () => {
  const driver = (lack?: string) => ({ unavailable: async () => lack });
  const never = () => Promise.reject(new Error("a guest was booted for nothing"));

  test("where it is there and KVM boots a stock kernel", async () => {
    expect(await lackOfCloudHypervisor(driver(), async () => ({ usable: true }), options)).toBeUndefined();
  });

  test("not where KVM is of no use", async () => {
    const askKvm = async () => ({ usable: false, reason: "a guest was not up after 15000 ms" }) as const;
    expect(await lackOfCloudHypervisor(driver(), askKvm, options)).toMatch(/no stock kernel: a guest was not up/);
  });

  test("not where its program is not there, and no guest is booted to find that out", async () => {
    expect(await lackOfCloudHypervisor(driver("not there"), never, options)).toBe("not there");
  });
});

describe("a driver that can't be used is refused", () => {
  const choice: VmmChoice = {
    wanted: "auto",
    runner: createCommandRunner(),
    architecture: "x86_64",
    cloudHypervisor: "/nonexistent/cloud-hypervisor",
    restoreStrategy: "auto",
    vhostDeviceVsock: "/nonexistent/vhost-device-vsock",
    memoryDir: "/nonexistent/memory",
    stateDir: "/nonexistent/state",
    copyMethod: "sparse",
    kernel: "/nonexistent/kernel",
    kvmCacheFile: "/nonexistent/kvm.json",
  };

  test("with what the one that was asked for lacks", async () => {
    for (const wanted of ["cloud-hypervisor", "qemu"] as const) {
      await expect(selectVmm({ ...choice, wanted }, options)).rejects.toThrow(new RegExp(`the driver ${wanted} can't`));
    }
  });

  test("with what both lack, where any would do", async () => {
    await expect(selectVmm(choice, options)).rejects.toThrow(/driver qemu can't .*, and cloud-hypervisor can't: /);
  });
});
