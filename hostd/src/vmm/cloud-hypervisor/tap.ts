import { readFile } from "node:fs/promises";
import { join } from "node:path";

const SYSFS = "/sys/class/net";
/** From the kernel's if_tun.h. */
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_VNET_HDR = 0x4000;
const IFF_PERSIST = 0x0800;

/**
 * Why a VMM that runs as `uid`, without capabilities, could not take this TAP; undefined where it could. It finds out
 * last of all, when a restore has copied the memory already.
 */
export async function tapLack(tap: string, uid: number, sysfs = SYSFS): Promise<string | undefined> {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(tap)) {
    return `"${tap}" is no name of a network device`;
  }
  const read = async (file: string) => Number((await readFile(join(sysfs, tap, file), "utf8")).trim());
  let flags: number;
  let owner: number;
  try {
    flags = await read("tun_flags");
    owner = await read("owner");
  } catch (error) {
    return `${tap} is no TAP device: ${error instanceof Error ? error.message : error}`;
  }
  const mend = `ip tuntap add dev ${tap} mode tap user ${uid} vnet_hdr`;
  if ((flags & IFF_TAP) === 0 || (flags & IFF_PERSIST) === 0) {
    return `${tap} is no persistent TAP device: ${mend}`;
  }
  if (owner !== uid) {
    return `${tap} belongs to uid ${owner}, its VM runs as ${uid}: ${mend}`;
  }
  if ((flags & IFF_VNET_HDR) === 0 || (flags & IFF_MULTI_QUEUE) !== 0) {
    return `${tap} must have vnet_hdr, and not multi_queue, for one pair of queues: ${mend}`;
  }
  // With nobody behind it it has no carrier; it can't be asked while it is down.
  const carrier = await read("carrier").catch(() => 0);
  return carrier === 1 ? `${tap} is in use: the VM that had it is still there` : undefined;
}
