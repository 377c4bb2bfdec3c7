/**
 * `DNAH_DATABASE_URL=URL node issue-host.ts --secret-file F --host-id H --url https://A:P --out DIR`: lets a host join whose
 * operator holds the platform's secret anyway, as `dnah up` does. Writes what its daemon needs: ca.pem, host.pem, host.key
 * and bearer. Issued anew at each call.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { admitHost } from "../db/hosts.ts";
import { migrate } from "../db/migrate.ts";
import { openDatabase } from "../db/open-database.ts";
import { makeLeaf } from "./certificates.ts";
import { openPlatformKeys } from "./platform-keys.ts";
import { createServerPki } from "./server-pki.ts";
import { writeWhole } from "./write-once.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({
  options: { "secret-file": option, "host-id": option, url: option, out: option },
});
const { "secret-file": secretFile, "host-id": id, url, out } = values;
const databaseUrl = process.env.DNAH_DATABASE_URL; // not among the arguments: it may hold a password
if (!databaseUrl || !secretFile || !id || !url || !out || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(id)) {
  process.stderr.write(
    "usage: DNAH_DATABASE_URL=URL node issue-host.ts --secret-file FILE --host-id [a-z0-9-] --url https://HOST:PORT --out DIRECTORY\n",
  );
  process.exit(2);
}

await using database = openDatabase({ url: databaseUrl, maxConnections: 2, onIdleError: () => undefined });
await migrate(database.db);
const now = Date.now();
const pki = await createServerPki(await openPlatformKeys(database.db, secretFile, now), now);
const tlsName = `h${randomBytes(16).toString("hex")}`;
const host = await makeLeaf(pki.authority, { name: tlsName, use: "server", now });
mkdirSync(out, { recursive: true, mode: 0o700 });
const files = {
  "ca.pem": pki.certificate,
  "host.pem": host.certificate,
  "host.key": host.key,
  bearer: pki.bearerOf(tlsName),
};
for (const [name, text] of Object.entries(files)) writeWhole(join(out, `${name}.new`), text);
for (const name of Object.keys(files)) renameSync(join(out, `${name}.new`), join(out, name));
await admitHost(database.db, { id, url, tlsName, again: true });
