/** Puts what another host packed into a folder: a description first, then the disk and the memory that it speaks of, and nothing else. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { syncPath } from "../host/disk/durable.ts";
import { badArchive, type PackedFile, unpack } from "./unpack.ts";
import { writePacked } from "./write-packed.ts";

const mib = 1024 * 1024;
/** An environment of 1 MiB and what else there is. */
const maxDescriptionBytes = 4 * mib;
/** A driver's memory is in a handful of files. */
const maxMemoryFiles = 16;
/** What devices and their descriptions take beside the guest's memory. */
const deviceMib = 256;
/** How often the disk's room is looked at. */
const lookBytes = 64 * mib;

/** What the description says of the rest. */
export interface Described {
  readonly diskMib: number;
  readonly memoryMib: number;
  readonly memoryKept: boolean;
}

export interface UnpackInto<T extends Described> {
  /** Exists, and is empty. */
  readonly dir: string;
  readonly description: string;
  /** Throws where this host can't take it. */
  readonly read: (text: string) => Promise<T>;
  /** Asked every while; throws where nothing more may be written. */
  readonly requireRoom: () => Promise<void>;
  readonly diskMode: number;
  readonly signal: AbortSignal;
}

/** What is there when this resolves is whole, and on disk, but for the names in `dir` itself. */
export async function unpackInto<T extends Described>(
  body: AsyncIterable<Uint8Array>,
  { dir, description, read, requireRoom, diskMode, signal }: UnpackInto<T>,
): Promise<{ readonly described: T; readonly bytes: number }> {
  let described: T | undefined;
  const seen = new Set<string>();
  let [bytes, looked, memoryBytes] = [0, 0, 0];
  const onBytes = async (more: number) => {
    bytes += more;
    if (bytes < looked) return;
    looked = bytes + lookBytes;
    await requireRoom();
  };
  for await (const file of unpack(body, { signal })) {
    if (!described) {
      if (file.name !== description) throw badArchive(`it begins with ${file.name}, not with ${description}`);
      described = await read(await textOf(file));
      if (described.memoryKept) await mkdir(join(dir, "memory"), { mode: 0o700 });
      continue;
    }
    requireExpected(file, described, seen);
    if (file.name !== "root.ext4") memoryBytes += file.sizeBytes;
    if (memoryBytes > (described.memoryMib + deviceMib) * mib) throw badArchive("it has more memory than its VM");
    // A driver says who may read its memory: a VM that maps it, for one.
    const mode = file.name === "root.ext4" ? diskMode : file.mode;
    await writePacked(file, join(dir, file.name), { mode, signal, onBytes });
  }
  if (!described || !seen.has("root.ext4")) throw badArchive("it ends before its disk");
  if (described.memoryKept && seen.size === 1) throw badArchive("it ends before its memory");
  if (described.memoryKept) await syncPath(join(dir, "memory"));
  return { described, bytes };
}

function requireExpected({ name, sizeBytes }: PackedFile, described: Described, seen: Set<string>): void {
  const memory = described.memoryKept && /^memory\/[a-z0-9][a-z0-9.-]{0,63}$/.test(name);
  if (name !== "root.ext4" && !memory) throw badArchive(`${JSON.stringify(name.slice(0, 100))} is none of its files`);
  if (seen.has(name)) throw badArchive(`${name} is in it twice`);
  seen.add(name);
  if (seen.size > 1 + maxMemoryFiles) throw badArchive("it has too many files");
  if (name === "root.ext4" && sizeBytes !== described.diskMib * mib) {
    throw badArchive(`its disk has ${sizeBytes} bytes, and ${described.diskMib} MiB are said`);
  }
}

async function textOf({ name, pieces, sizeBytes }: PackedFile): Promise<string> {
  if (sizeBytes > maxDescriptionBytes) throw badArchive(`${name} is too long`);
  const parts: Uint8Array[] = [];
  for await (const { bytes } of pieces) parts.push(bytes);
  return Buffer.concat(parts).toString();
}
