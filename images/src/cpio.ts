export type CpioEntry =
  | { readonly t: "dir"; readonly path: string; readonly mode: number }
  | { readonly t: "file"; readonly path: string; readonly mode: number; readonly bytes: Buffer }
  | {
      readonly t: "char";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { dir: 0o040000, file: 0o100000, char: 0o020000 } as const;

/**
 * Writes a cpio archive in the `newc` format the kernel unpacks. Every field comes from the entries: owner root, time
 * zero, inodes counted up; so the same entries give the same bytes. A parent must come before what it holds.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const bytes = entry.t === "file" ? entry.bytes : Buffer.alloc(0);
    const device = entry.t === "char" ? [entry.major, entry.minor] : [0, 0];
    parts.push(
      record(entry.path, bytes, {
        inode: index + 1,
        mode: typeBits[entry.t] | entry.mode,
        links: entry.t === "dir" ? 2 : 1,
        device,
      }),
    );
  });
  parts.push(record("TRAILER!!!", Buffer.alloc(0), { inode: 0, mode: 0, links: 1, device: [0, 0] }));
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, Buffer.alloc(-archive.length & 511)]);
}

function record(
  path: string,
  bytes: Buffer,
  meta: { inode: number; mode: number; links: number; device: readonly number[] },
): Buffer {
  const name = Buffer.from(`${path}\0`);
  const [major = 0, minor = 0] = meta.device;
  const fields = [meta.inode, meta.mode, 0, 0, meta.links, 0, bytes.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return Buffer.concat([pad4(Buffer.concat([header, name])), pad4(bytes)]);
}

function pad4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
