/** The account that PostgreSQL runs under: it refuses to run as root. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Ourselves where we are not root; else `user` from /etc/passwd. */
export function accountFor(user: string): Account {
  const own = process.getuid?.() ?? 0;
  const accounts = readAccounts();
  if (own !== 0)
    return accounts.find(({ uid }) => uid === own) ?? { name: String(own), uid: own, gid: process.getgid?.() ?? own };
  const account = accounts.find(({ name }) => name === user);
  if (!account)
    throw new Error(`there is no user ${user}: make one with \`useradd --system ${user}\`, or name another`);
  if (account.uid === 0) throw new Error("PostgreSQL does not run as root: name another user");
  return account;
}

function readAccounts(): Account[] {
  return readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields.length >= 4)
    .map(([name, , uid, gid]) => ({ name: name as string, uid: Number(uid), gid: Number(gid) }));
}

/** Whether this account may enter every parent and, last, enter or run the thing itself. */
export function canReach(path: string, account: Account): boolean {
  if (account.uid === process.getuid?.()) {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }
  for (let part = path; ; part = dirname(part)) {
    const { mode, uid, gid } = statSync(part);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (part === "/") return true;
  }
}
