import { createWriteStream } from "node:fs";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { sleep } from "@daytonah/lib/sleep.ts";
import type { VmConfig } from "../vmm.ts";
import { readRunState } from "./machine.ts";
import { isRecord, type QmpCallOptions, type QmpClient } from "./qmp.ts";

/** What a snapshot's folder holds. */
export interface SnapshotPaths {
  readonly description: string;
  readonly deviceState: string;
  readonly memory: string;
}

export function snapshotPathsOf(dir: string): SnapshotPaths {
  return {
    description: join(dir, "snapshot.json"),
    deviceState: join(dir, "device-state"),
    memory: join(dir, "memory"),
  };
}

/** What a VM must have in common with the one the snapshot was taken of. */
export interface SnapshotDescription {
  readonly driver: string;
  readonly format: number;
  readonly machine: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly string[];
}

const FORMAT = 1;

export function describeSnapshot(driver: string, machine: string, config: VmConfig): SnapshotDescription {
  const { vcpus, memoryMib } = config;
  return { driver, format: FORMAT, machine, vcpus, memoryMib, disks: config.disks.map((disk) => disk.id) };
}

/** Written last: a folder without it is no snapshot. */
export async function writeDescription(dir: string, description: SnapshotDescription): Promise<void> {
  await writeFile(snapshotPathsOf(dir).description, `${JSON.stringify(description, undefined, 2)}\n`, { mode: 0o600 });
}

/** Reads a snapshot's description and refuses one that this VM can't be restored from. */
export async function readDescription(dir: string, driver: string, config: VmConfig): Promise<SnapshotDescription> {
  const path = snapshotPathsOf(dir).description;
  const found: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!isRecord(found) || typeof found.machine !== "string") {
    throw new Error(`${path}: is not the description of a snapshot`);
  }
  const wanted = describeSnapshot(driver, found.machine, config);
  for (const [key, value] of Object.entries(wanted)) {
    if (JSON.stringify(found[key]) !== JSON.stringify(value)) {
      throw new Error(`${path}: ${key} is ${JSON.stringify(found[key])}, this VM has ${JSON.stringify(value)}`);
    }
  }
  return wanted;
}

/**
 * Writes the device state of a stopped VM into `file`. Through a socket of ours, since QEMU may neither start programs
 * nor write outside its own folder.
 */
export async function writeDeviceState(
  qmp: QmpClient,
  socketPath: string,
  file: string,
  options: QmpCallOptions,
): Promise<void> {
  await rm(socketPath, { force: true });
  const connection = Promise.withResolvers<Socket>();
  const server = createServer((socket) => connection.resolve(socket));
  server.on("error", connection.reject);
  connection.promise.catch(() => {});
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketPath, resolve);
    });
    // The folder lets no other VM pass, and belongs to us: its VM can't put a link in the place of the socket.
    await chmod(socketPath, 0o666);
    await leaveMemoryOut(qmp, options);
    const copied = connection.promise.then((socket) =>
      pipeline(socket, createWriteStream(file, { mode: 0o600 }), { signal: options.signal }),
    );
    copied.catch(() => {});
    await qmp.execute("migrate", { uri: `unix:${socketPath}` }, options);
    await migrationCompleted(qmp, options);
    await copied;
  } catch (error) {
    // Rather than the AbortError of whatever was under way.
    options.signal.throwIfAborted();
    throw error;
  } finally {
    server.close();
    await rm(socketPath, { force: true });
  }
}

/** Reads the device state that QEMU has open as descriptor 3. The VM is paused then. */
export async function readDeviceState(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  await leaveMemoryOut(qmp, options);
  await qmp.execute("migrate-incoming", { uri: "fd:3" }, options);
  while ((await readRunState(qmp, options)) === "inmigrate") {
    await sleep(2, { signal: options.signal });
  }
}

/** Guest memory is a file that both sides have: the stream leaves it out. */
async function leaveMemoryOut(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  const capabilities = [{ capability: "x-ignore-shared", state: true }];
  await qmp.execute("migrate-set-capabilities", { capabilities }, options);
}

async function migrationCompleted(qmp: QmpClient, options: QmpCallOptions): Promise<void> {
  for (;;) {
    const migration = await qmp.execute("query-migrate", {}, options);
    const status = isRecord(migration) ? migration.status : undefined;
    if (status === "completed") {
      return;
    }
    if (status === "failed" || status === "cancelled") {
      const why = isRecord(migration) ? migration["error-desc"] : undefined;
      throw new Error(`qmp migrate: ${status}: ${why}`);
    }
    await sleep(2, { signal: options.signal });
  }
}
