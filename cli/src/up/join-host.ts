/** Lets this machine join a platform, by the daemon's own program: the key is made here and stays here. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Layout } from "./layout.ts";
import { UpError } from "./up-error.ts";

const script = fileURLToPath(new URL("../../../hostd/src/join/main.ts", import.meta.url));

export interface JoinOptions {
  readonly layout: Layout;
  /** Origin of the API. */
  readonly server: string;
  readonly token: string;
  readonly hostId: string;
  /** Origin of the daemon, as the control plane reaches it. */
  readonly url: string;
}

export function joinHost({ layout, server, token, hostId, url }: JoinOptions): void {
  const flags = { "--server": server, "--host-id": hostId, "--url": url, "--pki-dir": layout.hostPkiDir };
  const { status, stderr } = spawnSync(process.execPath, [script, ...Object.entries(flags).flat()], {
    env: { ...process.env, DNAH_JOIN_TOKEN: token },
    encoding: "utf8",
  });
  if (status === 0) return;
  const [message = "", next = ""] = stderr.split("\nnext: ");
  throw new UpError(`this machine could not join: ${message.trim()}`, next.trim() || "its words are above");
}

/** The id that it joined with. */
export function joinedHostId({ hostPkiDir }: Layout): string {
  try {
    return readFileSync(join(hostPkiDir, "host-id"), "utf8").trim();
  } catch (cause) {
    throw new UpError("this machine has not joined a platform yet", "run `dnah host join` with a token", { cause });
  }
}

/** Of the machine's name, what an id may have. */
export function defaultHostId(): string {
  return (
    hostname()
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, "-")
      .replace(/^-+/, "")
      .slice(0, 63) || "host"
  );
}
