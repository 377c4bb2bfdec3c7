import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";

/** Names a file without opening it; Node does not have it. The same on x86_64 and aarch64. */
const O_PATH = 0x20_0000;

/**
 * Connects to a unix socket in a folder that a less trusted user owns: whoever took that user over can put a link there,
 * to another VM's socket or the host's. Throws where the path is no socket of `uid`.
 *
 * The file is held while it is looked at and connected to, so nobody can exchange it in between. Synchronous, as each
 * call to a guest comes by here: these are three system calls that touch no disk.
 */
export function connectOwned(path: string, uid: number, options: { readonly allowHalfOpen?: boolean } = {}): Socket {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const file = fstatSync(fd);
    if (!file.isSocket() || file.uid !== uid) {
      throw new Error(`${path}: is not a socket of uid ${uid}`);
    }
    return connect({ path: `/proc/self/fd/${fd}`, ...options });
  } finally {
    closeSync(fd);
  }
}
