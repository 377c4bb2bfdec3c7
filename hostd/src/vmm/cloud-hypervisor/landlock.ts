import { readFile } from "node:fs/promises";
import { release } from "node:os";

/** The third version of landlock's interface, which Cloud Hypervisor insists on. */
const FIRST_RELEASE = [6, 2] as const;
const MODULES = "/sys/kernel/security/lsm";

/** Why VMMs on this host can't be confined to their own files by landlock, or undefined. They then have a uid each, no more. */
export async function landlockLack(): Promise<string | undefined> {
  const modules = await readFile(MODULES, "utf8").catch(() => undefined);
  return lackOf(release(), modules);
}

/** `modules`: the host's security modules; undefined where they can't be read. */
export function lackOf(kernel: string, modules: string | undefined): string | undefined {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  if (major < FIRST_RELEASE[0] || (major === FIRST_RELEASE[0] && minor < FIRST_RELEASE[1])) {
    return `Linux ${kernel} is older than ${FIRST_RELEASE.join(".")}`;
  }
  if (modules === undefined) {
    return `${MODULES} can't be read: mount securityfs`;
  }
  return modules.split(",").includes("landlock") ? undefined : "the kernel was started without it: add it to lsm=";
}
