import { describe, expect, test } from "vitest";
import type { ChBodies, ChInfo, ChPing, ChVmConfig } from "./api-types.ts";
import { readOpenApi, schemaRef } from "./testing/openapi.ts";

/** With every field there is: one that is added to a type and not here does not compile. */
type Full<T> = T extends readonly (infer U)[]
  ? readonly [Full<U>, ...Full<U>[]]
  : T extends object
    ? { readonly [K in keyof T]-?: Full<T[K]> }
    : T;

const disk: Full<ChBodies["vm.add-disk"]> = {
  id: "disk-root",
  path: "/d",
  readonly: false,
  image_type: "Raw",
  backing_files: false,
  sparse: true,
  num_queues: 1,
  queue_size: 128,
  serial: "root",
};
const net: Full<ChBodies["vm.add-net"]> = {
  id: "net-eth0",
  tap: "sb0",
  mac: "02:00:00:00:00:01",
  num_queues: 2,
  queue_size: 256,
};
const config: Full<ChVmConfig> = {
  cpus: { boot_vcpus: 1, max_vcpus: 2, nested: false, kvm_hyperv: false, core_scheduling: "Vm" },
  memory: {
    size: 0,
    mergeable: false,
    shared: false,
    zones: [{ id: "mem0", size: 1, file: "/m", shared: false, mergeable: false }],
  },
  payload: { kernel: "/k", cmdline: "quiet", initramfs: "/i" },
  disks: [disk],
  net: [net],
  vsock: { id: "vsock0", cid: 3, socket: "/v" },
  balloon: { size: 0, deflate_on_oom: true, free_page_reporting: true },
  serial: { mode: "Off" },
  console: { mode: "File", file: "/c" },
  pvpanic: true,
  watchdog: false,
  landlock_enable: true,
  landlock_rules: [{ path: "/run", access: "rw" }],
};
const bodies: { readonly [E in keyof ChBodies]: Full<ChBodies[E]> } = {
  "vm.create": config,
  "vm.restore": { source_url: "file:///s", memory_restore_mode: "Copy", resume: true },
  "vm.snapshot": { destination_url: "file:///s" },
  "vm.resize": { desired_vcpus: 2 },
  "vm.resize-disk": { id: "disk-root", desired_size: 1 },
  "vm.add-disk": disk,
  "vm.add-net": net,
  "vm.remove-device": { id: "disk-root" },
};
const ping: Full<ChPing> = { build_version: "v53.0", version: "53.0.0", pid: 1 };
const info: Full<ChInfo> = { state: "Paused", config, device_tree: { "disk-root": {} } };

describe("our types agree with Cloud Hypervisor's OpenAPI document", () => {
  const { requests, ajv } = readOpenApi();
  const errors = (schema: object | undefined, value: unknown) => {
    const validate = ajv.compile(schema ?? false);
    return validate(value) ? [] : validate.errors;
  };

  test.each(Object.entries(bodies))("in the body of %s", (endpoint, body) => {
    const name = `PUT /${endpoint}`;
    expect(requests.has(name)).toBe(true);
    expect(errors(requests.get(name), body)).toEqual([]);
  });

  test("in what is answered", () => {
    expect(errors(schemaRef("VmmPingResponse"), ping)).toEqual([]);
    expect(errors(schemaRef("VmInfo"), info)).toEqual([]);
  });

  test("in the requests without a body", () => {
    for (const name of ["GET /vmm.ping", "GET /vm.info", "PUT /vm.boot", "PUT /vm.pause", "PUT /vm.resume"]) {
      expect(requests.has(name) && requests.get(name)).toBeUndefined();
    }
  });

  test("a slip is found: the document's objects are closed for it", () => {
    const slip = { ...config, cpu: config.cpus };
    expect(errors(schemaRef("VmConfig"), slip)).not.toEqual([]);
    expect(errors(schemaRef("DiskConfig"), { ...disk, image_type: "raw" })).not.toEqual([]);
  });
});
