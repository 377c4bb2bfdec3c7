import type { PackageGroup } from "./lock.ts";

/**
 * What each group asks apt for; the lock records what that comes to, dependencies included.
 * A change here takes effect with the next refresh of the lock.
 */
export const requestedPackages: Readonly<Record<PackageGroup, readonly string[]>> = {
  kernel: [], // Filled in by the resolver: the meta package `linux-image-cloud-<arch>` says which kernel is current.
  tools: ["e2fsprogs", "kmod", "lz4", "xz-utils", "zstd"],
  base: [
    "?essential", // apt's pattern for what Debian cannot be without.
    "apt",
    "adduser",
    "bash",
    "ca-certificates",
    "curl",
    "e2fsprogs",
    "git",
    "iproute2",
    "kmod", // modprobe, for Docker and FUSE inside the guest.
    "less",
    "login",
    "mount", // Debian requires it but does not call it essential.
    "netbase", // /etc/services and /etc/protocols.
    "nodejs",
    "procps",
    "python-is-python3",
    "python3",
    "python3-pip",
    "python3-venv",
    "sudo",
    "tzdata",
    "unzip",
    "xz-utils",
  ],
};
