import { lstat, lutimes, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Toolbox } from "./toolbox.ts";

export type Ext4Options = {
  /** Becomes the image's content, owners and modes included. Its newest times are changed in place. */
  readonly tree: string;
  readonly sizeBytes: number;
  readonly label: string;
  /** Fixed, so that the same content has the same bytes. No two templates on one guest should share it. */
  readonly uuid: string;
  readonly epoch: number;
  readonly writable: boolean;
};

/** Directory hashes are seeded with this; a secret would only matter for names an attacker chooses on a shared disk. */
const hashSeed = "d4e4a0b1-7c1f-4b7e-9a53-6f2d8b1c0e57";

/** ext4 counts blocks of 4 KiB: 64 GiB, to which the guest's agent can grow the file system while it is mounted. */
const growableToBlocks = (64 * 2 ** 30) / 4096;

/** Features are spelt out: mke2fs's own defaults come from a file of the host. */
const commonFeatures =
  "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

const config = `[defaults]
  blocksize = 4096
  inode_size = 256
  inode_ratio = 16384
  default_mntopts = acl,user_xattr
  enable_periodic_fsck = 0
[fs_types]
  ext4 = {
  }
`;

/** Writes an ext4 image of a tree, sparse, without mounting anything; the same tree and options give the same bytes. */
export async function writeExt4Image(
  path: string,
  options: Ext4Options,
  toolbox: Toolbox,
  signal?: AbortSignal,
): Promise<void> {
  const { tree, sizeBytes, label, uuid, epoch, writable } = options;
  await clampTimes(tree, epoch);
  await writeFile(path, "");
  await truncate(path, sizeBytes);
  await writeFile(`${path}.mke2fs.conf`, config);
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    MKE2FS_CONFIG: `${path}.mke2fs.conf`,
    E2FSPROGS_FAKE_TIME: String(epoch),
    TZ: "UTC",
  };
  // The file is fresh, hence all zeroes: nothing needs zeroing now, nor by the guest's lazy-init thread later.
  const extended = [
    `hash_seed=${hashSeed}`,
    "root_owner=0:0",
    "nodiscard",
    "assume_storage_prezeroed=1",
    "lazy_journal_init=1",
  ];
  const argv = ["sbin/mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-L", label, "-d", tree];
  if (writable) {
    extended.push(`resize=${growableToBlocks}`);
    argv.push("-O", `${commonFeatures},has_journal,resize_inode`, "-J", "size=32", "-m", "1");
  } else {
    argv.push("-O", commonFeatures, "-m", "0");
  }
  await toolbox.run([...argv, "-E", extended.join(","), path], { env, signal });
  await fixInodeTimes(path, epoch, env, toolbox, signal);
  for (const extra of ["mke2fs.conf", "debugfs"]) await rm(`${path}.${extra}`);
}

/** Sets back every time later than the epoch: those are of this build, and not of a package. */
async function clampTimes(dir: string, epoch: number): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await clampTimes(path, epoch);
    else if ((await lstat(path)).mtimeMs > epoch * 1000) await lutimes(path, epoch, epoch);
  }
  // A directory's own comes last: it is not touched by its entries' times, but it stays simple to see that it is right.
  if ((await lstat(dir)).mtimeMs > epoch * 1000) await lutimes(dir, epoch, epoch);
}

/** mke2fs copies atime and ctime of the source files, and nothing can set a ctime; so they are set in the image. */
async function fixInodeTimes(
  path: string,
  epoch: number,
  env: Record<string, string>,
  toolbox: Toolbox,
  signal?: AbortSignal,
): Promise<void> {
  const used = await usedInodes(path);
  const commands: string[] = [];
  for (const inode of [2, ...Array.from({ length: Math.max(0, used - 10) }, (_, i) => i + 11)]) {
    for (const field of ["atime", "ctime"]) commands.push(`set_inode_field <${inode}> ${field} @${epoch}`);
  }
  await writeFile(`${path}.debugfs`, `${commands.join("\n")}\n`);
  await toolbox.run(["sbin/debugfs", "-w", "-f", `${path}.debugfs`, path], { env, signal });
}

/** How many inodes are used, by the superblock. mke2fs hands them out in order, so these are also the first ones. */
async function usedInodes(path: string): Promise<number> {
  await using file = await open(path, "r");
  const { buffer } = await file.read(Buffer.alloc(24), 0, 24, 1024);
  return buffer.readUInt32LE(0) - buffer.readUInt32LE(16);
}
