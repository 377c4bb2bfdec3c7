import {
  CONSOLE_BYTES,
  CONSOLE_ID,
  type GuestArchitecture,
  type QemuPaths,
  VSOCK_ID,
  vsockChardev,
  vsockDevice,
} from "./args.ts";
import { isRecord, type QmpCallOptions, type QmpClient, QmpError, type QmpEvent } from "./qmp.ts";

/** A guest without a driver for the device, or one that hangs, never lets go of it. */
const UNPLUG_TIMEOUT_MS = 15_000;

/** QEMU's run state, such as "running", "paused", "postmigrate", "shutdown". */
export async function readRunState(qmp: QmpClient, options: QmpCallOptions): Promise<string> {
  const status = await qmp.execute("query-status", {}, options);
  if (!isRecord(status) || typeof status.status !== "string") {
    throw new Error("qmp query-status: an answer without status");
  }
  return status.status;
}

/** The machine's versioned type, such as "pc-i440fx-7.2". */
export async function readMachineType(qmp: QmpClient, options: QmpCallOptions): Promise<string> {
  const type = await qmp.execute("qom-get", { path: "/machine", property: "type" }, options);
  return String(type).replace(/-machine$/, "");
}

/** The end of what the guest wrote to its console since it was last read. */
export async function readConsole(qmp: QmpClient, options: QmpCallOptions): Promise<Buffer> {
  const read = { device: CONSOLE_ID, size: CONSOLE_BYTES, format: "base64" };
  return Buffer.from(String(await qmp.execute("ringbuf-read", read, options)), "base64");
}

export async function hasVsock(qmp: QmpClient, options: QmpCallOptions): Promise<boolean> {
  const children = await qmp.execute("qom-list", { path: "/machine/peripheral" }, options);
  return Array.isArray(children) && children.some((child) => isRecord(child) && child.name === VSOCK_ID);
}

/** Plugs the vsock device in, whose process listens already. The guest takes note of it as soon as it runs. */
export async function plugVsock(
  qmp: QmpClient,
  architecture: GuestArchitecture,
  paths: QemuPaths,
  options: QmpCallOptions,
): Promise<void> {
  await removeVsockChardev(qmp, options);
  await qmp.execute("chardev-add", vsockChardev(paths), options);
  await qmp.execute("device_add", vsockDevice(architecture), options);
}

/** Asks the running guest to let go of the vsock device, and waits until it did. */
export async function unplugVsock(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  const isDeleted = (event: QmpEvent) => event.event === "DEVICE_DELETED" && event.data.device === VSOCK_ID;
  await qmp.eventAfter(() => requestUnplug(qmp, options), isDeleted, { ...options, timeoutMs: UNPLUG_TIMEOUT_MS });
  await removeVsockChardev(qmp, options);
}

/** Whether the guest's driver has set the vsock device up. */
export async function isVsockStarted(qmp: QmpClient, options: QmpCallOptions): Promise<boolean> {
  const path = `/machine/peripheral/${VSOCK_ID}/virtio-backend`;
  const status = await qmp.execute("x-query-virtio-status", { path }, options);
  return isRecord(status) && status["vhost-started"] === true;
}

/** Why a machine stopped by itself, from a SHUTDOWN event. */
export type GuestEnd = "poweroff" | "reset" | "other";

export function guestEndOf(event: QmpEvent): GuestEnd | undefined {
  if (event.event !== "SHUTDOWN" || event.data.guest !== true) {
    return undefined;
  }
  switch (event.data.reason) {
    case "guest-shutdown":
      return "poweroff";
    case "guest-reset":
      return "reset";
    default:
      return "other";
  }
}

async function requestUnplug(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  try {
    await qmp.execute("device_del", { id: VSOCK_ID }, options);
  } catch (error) {
    // An earlier request that we gave up waiting for is still with the guest.
    if (!(error instanceof QmpError && error.message.includes("in the process of unplug"))) {
      throw error;
    }
  }
}

async function removeVsockChardev(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  try {
    await qmp.execute("chardev-remove", { id: VSOCK_ID }, options);
  } catch (error) {
    if (!(error instanceof QmpError)) {
      throw error;
    }
    // There is none: QEMU has no class of its own for that. One still in use would fail chardev-add next.
  }
}
