import { join } from "node:path";
import type { VmConfig } from "../vmm.ts";

/**
 * What the driver makes for a VM, in `VmConfig.dir` and in the state folder. Who takes the VMM over has its uid: it can
 * put what it likes, links too, into `own` and `snapshot`, and nothing into the rest, which is root's.
 */
export interface ChPaths {
  /** Folder of the VM's uid, for what its VMM makes: sockets, console, events. A new one for each start of the VM. */
  readonly own: string;
  readonly api: string;
  /** The VMM's end of the guest's vsock. For the front alone. */
  readonly vsockDevice: string;
  readonly console: string;
  readonly events: string;
  /** The front, for everybody: `Vm.vsockPath`. */
  readonly vsock: string;
  /** What the VMM writes to stdout and stderr, through a descriptor that we opened. */
  readonly log: string;
  /** Folder on disk: guests' memory does not belong on tmpfs. Ours; of others only the VM's gid may pass. */
  readonly state: string;
  /** The memory zone's file. Ours: the VMM maps it privately and may only read it. */
  readonly memory: string;
  /** Links to images that are added while the VM runs: landlock's rules are made once, for this folder. */
  readonly disks: string;
  /** Where the VMM writes a snapshot; the VM's uid's, and taken from it as soon as it is written. */
  readonly snapshot: string;
  /** What a VM is restored from: an edited copy of a snapshot, ours. */
  readonly clone: string;
}

/** Longest path of a unix socket: sun_path has 108 bytes with the zero at its end. Node cuts longer ones off, silently. */
const LONGEST_SOCKET = 107;
/** The guest's connections to the host go to `<vsock>_<port>`, a port has up to 10 digits. */
const LONGEST_VSOCK = LONGEST_SOCKET - "_4294967295".length;

export function chPathsOf(config: Pick<VmConfig, "dir" | "uid">, stateDir: string): ChPaths {
  const own = join(config.dir, "own");
  // By uid: whoever cleans up after a crash knows no more than that.
  const state = join(stateDir, String(config.uid));
  return {
    own,
    api: join(own, "api"),
    vsockDevice: join(own, "v"),
    console: join(own, "console"),
    events: join(own, "events"),
    vsock: join(config.dir, "vsock"),
    log: join(config.dir, "vmm.log"),
    state,
    memory: join(state, "memory"),
    disks: join(state, "disks"),
    snapshot: join(state, "snapshot"),
    clone: join(state, "clone"),
  };
}

/** Refuses a folder whose sockets would have no room in a socket address. */
export function requireShortPaths(paths: ChPaths): void {
  const limits = [
    [paths.vsockDevice, LONGEST_VSOCK],
    [paths.api, LONGEST_SOCKET],
    [paths.vsock, LONGEST_SOCKET],
  ] as const;
  for (const [path, most] of limits) {
    const bytes = Buffer.byteLength(path);
    if (bytes > most) {
      throw new RangeError(
        `${path}: is ${bytes} bytes long, a unix socket there may have ${most}; use a shorter folder`,
      );
    }
  }
}
