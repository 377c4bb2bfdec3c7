/** Starts a host's daemon, and keeps it running. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "./child.ts";
import type { Address, DaemonOptions } from "./options.ts";
import { installProgram } from "./preflight.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Of this machine as the host of this id. Its certificate and bearer are in the layout's folder. */
export function startDaemon(options: DaemonOptions, hostId: string, report: (line: string) => void): Promise<Child> {
  const { layout, hostdListen, edgeListen } = options;
  const env = {
    DNAH_HOST_ID: hostId,
    DNAH_HOSTD_LISTEN: `${hostdListen.host}:${hostdListen.port}`,
    DNAH_EDGE_LISTEN: `${edgeListen.host}:${edgeListen.port}`,
    ...options.hostdEnv,
    DNAH_HOSTD_DATA_DIR: layout.hostdDir,
    DNAH_HOSTD_RUN_DIR: layout.runDir,
    DNAH_BUNDLE: options.bundle,
    DNAH_PKI_DIR: layout.hostPkiDir,
    DNAH_VMM: options.vmm,
    DNAH_LOG_LEVEL: options.logLevel,
    ...(options.vhostDeviceVsock === undefined
      ? {}
      : {
          DNAH_VHOST_DEVICE_VSOCK: installProgram(layout.binDir, "--vhost-device-vsock", options.vhostDeviceVsock),
        }),
    ...(options.cloudHypervisor === undefined
      ? {}
      : { DNAH_CLOUD_HYPERVISOR: installProgram(layout.binDir, "--cloud-hypervisor", options.cloudHypervisor) }),
  };
  const script = [join(root, "hostd/src/main.ts")];
  return startChild({ name: "hostd", script, env, readyPrefix: "ready ", readyMs: 120_000 }, report);
}

/** Of a daemon that listens here. */
export function originOf({ host, port }: Address): string {
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
