import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";

const good = { DNAH_HOST_ID: "h1", DNAH_PKI_DIR: "/etc/daytonah/pki" };

describe("the daemon's settings", () => {
  test("have defaults", () => {
    expect(readConfig(good)).toMatchObject({
      hostId: "h1",
      listen: { host: "127.0.0.1", port: 18_048 },
      edge: { listen: { host: "127.0.0.1", port: 18_049 }, url: undefined, tls: undefined },
      dataDir: "/var/lib/daytonah/hostd",
      runDir: "/run/daytonah",
      vmm: "auto",
      memoryOvercommit: 1,
      logLevel: "info",
    });
  });

  test.each([
    ["DNAH_HOSTD_LISTEN", "[::1]:0", { listen: { host: "::1", port: 0 } }],
    ["DNAH_MEMORY_MIB", "2048", { memoryMib: 2048 }],
    ["DNAH_MEMORY_OVERCOMMIT", "1.5", { memoryOvercommit: 1.5 }],
    ["DNAH_HOSTD_DATA_DIR", "/srv/data/", { dataDir: "/srv/data" }],
    ["DNAH_VMM", "qemu", { vmm: "qemu" }],
    ["DNAH_EDGE_LISTEN", "none", { edge: undefined }],
    ["DNAH_EDGE_URL", "https://host1.example.org/", { edge: { url: "https://host1.example.org" } }],
    ["DNAH_VMM", "cloud-hypervisor", { vmm: "cloud-hypervisor", cloudHypervisor: "cloud-hypervisor" }],
    ["DNAH_CLOUD_HYPERVISOR", "/opt/ch", { cloudHypervisor: "/opt/ch" }],
    ["DNAH_RESTORE_STRATEGY", "copy", { restoreStrategy: "copy" }],
  ])("%s=%s is taken", (name, value, expected) => {
    expect(readConfig({ ...good, [name]: value })).toMatchObject(expected);
  });

  test.each([
    ["DNAH_HOST_ID", "", "DNAH_HOST_ID is not set"],
    ["DNAH_HOSTD_LISTEN", "nowhere", "must be <host>:<port>"],
    ["DNAH_HOSTD_LISTEN", "h:70000", "must be <host>:<port>"],
    ["DNAH_HOSTD_DATA_DIR", "data", "must be an absolute path"],
    ["DNAH_HOSTD_RUN_DIR", `/${"r".repeat(80)}`, "it holds unix sockets"],
    ["DNAH_MEMORY_MIB", "many", "must be a whole number from 128"],
    ["DNAH_MEMORY_OVERCOMMIT", "0.5", "must be a number from 1 to 4"],
    ["DNAH_EDGE_LISTEN", "nowhere", 'DNAH_EDGE_LISTEN is "nowhere", and must be <host>:<port>'],
    ["DNAH_EDGE_LISTEN", "0.0.0.0:18049", "DNAH_EDGE_URL is not set"],
    ["DNAH_EDGE_URL", "https://host1.example.org/path", "must be an origin"],
    ["DNAH_EDGE_TLS_CERT", "/etc/edge.pem", "must be set both, or neither"],
    ["DNAH_VMM", "xen", "must be one of auto, cloud-hypervisor, qemu"],
    ["DNAH_RESTORE_STRATEGY", "OnDemand", "must be one of auto, copy"],
    ["DNAH_LOG_LEVEL", "loud", "must be one of error"],
  ])("%s=%j is refused with the rule", (name, value, rule) => {
    expect(() => readConfig({ ...good, [name]: value })).toThrow(rule);
  });

  test("are refused with every problem at once", () => {
    expect(() => readConfig({ DNAH_VMM: "xen" })).toThrow(/DNAH_HOST_ID[\s\S]*DNAH_PKI_DIR[\s\S]*DNAH_VMM/);
  });
});
