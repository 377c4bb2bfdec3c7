/** Puts what another host packed into a folder of this one, as long as its disk has room. */
import { problem } from "@daytonah/lib/problem.ts";
import { type Described, type UnpackInto, unpackInto } from "../moves/unpack-into.ts";
import { requireDisk } from "./capacity.ts";
import type { VmDeps } from "./vm-deps.ts";
import { isNoSpace } from "./vm-files.ts";

export async function receive<T extends Described>(
  { store }: Pick<VmDeps, "store">,
  body: AsyncIterable<Uint8Array>,
  options: Omit<UnpackInto<T>, "requireRoom">,
): ReturnType<typeof unpackInto<T>> {
  const requireRoom = async () => requireDisk(await store.freeDiskMib(), 1);
  try {
    return await unpackInto(body, { ...options, requireRoom });
  } catch (cause) {
    if (!isNoSpace(cause)) throw cause;
    throw problem("HOST_NO_SPACE", "The host's disk has no room for what is moved to it.", { cause });
  }
}
