import type { ChPaths } from "./paths.ts";

/**
 * Cloud Hypervisor's command line. Nothing of the VM is on it: with flags for a VM, what the API says of it is not what
 * counts. Seccomp is on by default; said here so that no build can have it otherwise.
 */
export function chArgv(binary: string, paths: ChPaths): readonly string[] {
  return [
    binary,
    ...["--api-socket", `path=${paths.api}`],
    // A regular file: of a pipe that is full, events are lost.
    ...["--event-monitor", `path=${paths.events}`],
    ...["--seccomp", "true"],
    "-v",
  ];
}
