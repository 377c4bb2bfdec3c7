/**
 * `node issue-host.ts --data-dir D --host-id H --out DIR [--address A]...`: writes what a host's daemon needs to be
 * believed by the server: ca.pem, host.pem, host.key and bearer. Issued again at each call.
 */
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeLeaf } from "./certificates.ts";
import { openServerPki } from "./server-pki.ts";
import { writeWhole } from "./write-once.ts";

const { values } = parseArgs({
  options: {
    "data-dir": { type: "string" },
    "host-id": { type: "string" },
    out: { type: "string" },
    address: { type: "string", multiple: true, default: ["127.0.0.1"] },
  },
});
const { "data-dir": dataDir, "host-id": hostId, out, address } = values;
if (!dataDir || !hostId || !out || !/^[a-z0-9][a-z0-9-]{0,62}$/.test(hostId)) {
  process.stderr.write(
    "usage: node issue-host.ts --data-dir DIRECTORY --host-id [a-z0-9-] --out DIRECTORY [--address 127.0.0.1]...\n",
  );
  process.exit(2);
}

const now = Date.now();
const pki = await openServerPki(dataDir, now);
const host = await makeLeaf(pki.authority, { name: hostId, use: "server", addresses: address, now });
mkdirSync(out, { recursive: true, mode: 0o700 });
const files = {
  "ca.pem": pki.authority.certificate,
  "host.pem": host.certificate,
  "host.key": host.key,
  bearer: pki.bearerOf(hostId),
};
for (const [name, text] of Object.entries(files)) {
  writeWhole(join(out, `${name}.new`), text);
}
for (const name of Object.keys(files)) renameSync(join(out, `${name}.new`), join(out, name));
