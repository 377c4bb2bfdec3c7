import { chmod, chown, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { dpkgExcludes } from "./root-tree.ts";
import { run } from "./run.ts";

const user = { name: "user", id: 1000, home: "/home/user" };

/** Files the template adds to Debian's, with modes. The guest's hostname and resolver are the agent's to change later. */
function filesOf(suite: string): readonly (readonly [path: string, mode: number, text: string])[] {
  return [
    ["/etc/hostname", 0o644, "sandbox\n"],
    ["/etc/hosts", 0o644, "127.0.0.1 localhost\n127.0.1.1 sandbox\n::1 localhost ip6-localhost ip6-loopback\n"],
    ["/etc/resolv.conf", 0o644, ""],
    ["/etc/fstab", 0o644, ""],
    // Empty, not absent: that is how systemd and D-Bus recognise an image whose copies each need an id of their own.
    ["/etc/machine-id", 0o444, ""],
    ["/etc/default/locale", 0o644, "LANG=C.UTF-8\n"],
    ["/etc/sudoers.d/90-user", 0o440, `${user.name} ALL=(ALL:ALL) NOPASSWD: ALL\n`],
    // Installing with pip as one likes is the point of a throw-away machine; Debian's guard is for desktops.
    ["/etc/pip.conf", 0o644, "[global]\nbreak-system-packages = true\n"],
    ["/etc/dpkg/dpkg.cfg.d/90-slim", 0o644, `${dpkgExcludes.join("\n")}\n`],
    ["/etc/apt/apt.conf.d/90-slim", 0o644, 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n'],
    ["/etc/apt/sources.list.d/debian.sources", 0o644, debianSources(suite)],
  ];
}

function debianSources(suite: string): string {
  const stanza = (uri: string, suites: string) =>
    `Types: deb\nURIs: ${uri}\nSuites: ${suites}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
  // Debian's documented default, not the build's mirror: the same lock must give the same bytes everywhere.
  return `${stanza("http://deb.debian.org/debian", `${suite} ${suite}-updates`)}\n${stanza("http://deb.debian.org/debian-security", `${suite}-security`)}`;
}

/** Leftovers of installing: times, seeds and copies that differ from build to build, or that nobody needs. */
const leftovers = [
  "/etc/apt/sources.list",
  "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
  "/etc/apt/apt.conf.d/99mmdebstrap",
  "/var/cache/ldconfig/aux-cache",
  "/var/cache/debconf/config.dat-old",
  "/var/cache/debconf/templates.dat-old",
  "/var/lib/dpkg/status-old",
  "/var/lib/systemd/random-seed",
  ...["passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-", ".pwd.lock"].map((name) => `/etc/${name}`),
];

/** Turns a fresh Debian tree into the base template: users, names, package sources, and nothing that tells two builds apart. */
export async function customiseTree(
  dir: string,
  options: { suite: string; epoch: number },
  signal?: AbortSignal,
): Promise<void> {
  const { suite, epoch } = options;
  const inTree = (path: string) => join(dir, path);
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", SOURCE_DATE_EPOCH: String(epoch) };
  const useradd = [
    "useradd",
    "--uid",
    String(user.id),
    "--user-group",
    "--shell",
    "/bin/bash",
    "--home-dir",
    user.home,
    "--no-create-home",
    user.name,
  ];
  await run(["chroot", dir, ...useradd], { env, signal });
  await cp(inTree("/etc/skel"), inTree(user.home), { recursive: true, preserveTimestamps: true });
  for (const name of ["", ...(await readdir(inTree(user.home)))])
    await chown(join(inTree(user.home), name), user.id, user.id);
  await chmod(inTree(user.home), 0o755);
  for (const path of leftovers) await rm(inTree(path), { force: true });
  for (const [path, mode, text] of filesOf(suite)) {
    await mkdir(dirname(inTree(path)), { recursive: true });
    await rm(inTree(path), { force: true });
    await writeFile(inTree(path), text);
    await chmod(inTree(path), mode); // After writing: writeFile's mode is subject to the umask.
  }
  await mkdir(inTree("/usr/lib/modules"), { recursive: true }); // Where the agent puts the module disk.
  for (const log of await readdir(inTree("/var/log"))) if (/\.log$/.test(log)) await rm(inTree(`/var/log/${log}`));
  await emptyDir(inTree("/var/log/apt"));
  await emptyDir(inTree("/var/lib/apt/lists"));
  await normaliseShadow(inTree("/etc/shadow"), epoch);
}

async function emptyDir(path: string): Promise<void> {
  for (const name of await readdir(path).catch(() => [])) await rm(join(path, name), { recursive: true });
}

/** The third field is the day of the last password change: the day of the build, unless it is set. */
async function normaliseShadow(path: string, epoch: number): Promise<void> {
  const day = String(Math.floor(epoch / 86_400));
  const lines = (await readFile(path, "utf8")).split("\n").map((line) => {
    const fields = line.split(":");
    if (fields.length > 2) fields[2] = day;
    return fields.join(":");
  });
  await writeFile(path, lines.join("\n"));
}
