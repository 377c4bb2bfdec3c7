/**
 * Debian packages a host needs before it can build images, for the installer to apt-get.
 * Few, on purpose: mke2fs, debugfs, depmod, lz4 and their like come out of the lock's own packages (see toolbox.ts), so
 * that the host's release has no say in the bytes.
 */
export const hostPackages: readonly string[] = ["debian-archive-keyring", "mmdebstrap"];

/** The programs that must be there, with the package that brings each. */
export const hostPrograms: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "apt-config": "apt",
  "dpkg-deb": "dpkg",
  mmdebstrap: "mmdebstrap",
  unshare: "util-linux",
  chroot: "coreutils",
};
