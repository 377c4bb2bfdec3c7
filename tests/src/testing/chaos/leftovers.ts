/** Everything on the cluster's hosts that no sandbox, tombstone or snapshot of the database owns. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { uidsPerDaemon } from "../../../../hostd/src/vm/uid-range.ts";
import type { Database } from "../../../../server/src/db/open-database.ts";
import { entries, guestMemories, listening, mounts, networkDevices, vmProcesses } from "../machine.ts";
import type { ChaosHost } from "./chaos-host.ts";
import type { Cluster } from "./cluster.ts";
import { sandboxOf } from "./witness.ts";

export interface Owners {
  /** Sandboxes that run, by host. */
  readonly running: ReadonlyMap<string, ReadonlySet<string>>;
  /** Sandboxes and tombstones that have a disk. */
  readonly disks: ReadonlyMap<string, ReadonlySet<string>>;
  readonly snapshots: ReadonlyMap<string, ReadonlySet<string>>;
}

export async function readOwners({ db }: Database): Promise<Owners> {
  const sandboxes = await db
    .selectFrom("sandboxes")
    .select(["id", "host_id", "state"])
    .where("host_id", "is not", null)
    .execute();
  const snapshots = await db
    .selectFrom("snapshots")
    .select(["id", "host_id"])
    .where("state", "!=", "deleted")
    .execute();
  return {
    running: byHost(sandboxes.filter(({ state }) => state === "running")),
    disks: byHost(sandboxes),
    snapshots: byHost(snapshots),
  };
}

export function leftoversOf({ hosts, network }: Cluster, owners: Owners): string[] {
  return hosts.flatMap((host) => {
    const ofHost = (ids: ReadonlyMap<string, ReadonlySet<string>>) => ids.get(host.id) ?? new Set<string>();
    const running = ofHost(owners.running);
    const vms = vmProcesses(host.firstUid);
    const vmms = vms.flatMap((one) => sandboxOf(one) ?? []);
    const uids = new Set(vms.filter((one) => running.has(sandboxOf(one) ?? "")).map(({ uid }) => uid));
    const isOf = (name: string) => uids.has(Number(name)) || uids.has(Number(name) + host.firstUid);
    const found = [
      ...vms.filter(({ uid }) => !uids.has(uid)).map(({ pid, argv }) => `process ${pid}: ${argv[0]}`),
      ...[...running].filter((id) => vmms.filter((one) => one === id).length !== 1).map((id) => `not one VMM of ${id}`),
      ...entries(host.vmsDir)
        .filter((id) => !ofHost(owners.disks).has(id))
        .map((id) => `disk of ${id}`),
      ...entries(host.snapshotsDir)
        .filter((id) => !ofHost(owners.snapshots).has(id))
        .map((id) => `snapshot ${id}`),
      ...entries(join(host.runDir, "vm"))
        .filter((slot) => !isOf(slot))
        .map((slot) => `run directory ${slot}`),
      ...listening(join(host.runDir, "vm/"))
        .filter((path) => !isOf(slotIn(path, host)))
        .map((path) => `socket ${path}`),
      ...guestMemories(host.firstUid)
        .filter((uid) => !isOf(uid))
        .map((uid) => `memory of uid ${uid}`),
      ...cgroupsOf(host)
        .filter((uid) => !isOf(uid))
        .map((uid) => `cgroup of uid ${uid}`),
      ...devicesIn(network.namespaceOf(host.index)).map((name) => `network device ${name}`),
    ];
    return found.map((what) => `${host.id}: ${what}`);
  });
}

export interface MachineState {
  readonly mounts: readonly string[];
  readonly devices: readonly string[];
}

export const machineState = (): MachineState => ({ mounts: mounts(), devices: networkDevices() });

/** What is there of this machine's own that was not before. */
export function newOnMachine(before: MachineState): string[] {
  return [
    ...mounts().filter((mount) => !before.mounts.includes(mount)),
    ...networkDevices().filter((device) => !before.devices.includes(device)),
  ];
}

function byHost(rows: readonly { readonly id: string; readonly host_id: string | null }[]) {
  const groups = Map.groupBy(rows, ({ host_id }) => host_id ?? "");
  return new Map([...groups].map(([hostId, list]) => [hostId, new Set(list.map(({ id }) => id))]));
}

const slotIn = (path: string, { runDir }: ChaosHost) => path.slice(join(runDir, "vm/").length).split("/")[0] as string;

/** Named after VMs' uids, wherever the machine has its cgroups. */
function cgroupsOf({ firstUid }: ChaosHost): string[] {
  const roots = ["/sys/fs/cgroup/daytonah", "/sys/fs/cgroup/unified/daytonah"].filter((root) => existsSync(root));
  return roots.flatMap(entries).filter((name) => Number(name) >= firstUid && Number(name) < firstUid + uidsPerDaemon);
}

/** TAPs, say. */
function devicesIn(namespace: string): string[] {
  return execFileSync("ip", ["-n", namespace, "-brief", "link"], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.split(/[@\s]/)[0] as string)
    .filter((name) => !["", "lo", "eth0"].includes(name));
}
