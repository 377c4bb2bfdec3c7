/**
 * `DNAH_JOIN_TOKEN=T node join/main.ts --server URL --host-id H --url https://A:P --pki-dir DIR`: lets this machine join a platform,
 * and writes what its daemon needs into DIR. May be repeated with the same token where the answer got lost.
 */
import { parseArgs } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { problemOf } from "@daytonah/lib/problem.ts";
import { joinPlatform } from "./join-platform.ts";

const option = { type: "string" } as const;
const { values } = parseArgs({ options: { server: option, "host-id": option, url: option, "pki-dir": option } });
const { server, "host-id": hostId, url, "pki-dir": pkiDir } = values;
const token = process.env.DNAH_JOIN_TOKEN; // not among the arguments, which others can see
if (!server || !token || !hostId || !url || !pkiDir) {
  process.stderr.write(
    "usage: DNAH_JOIN_TOKEN=TOKEN node join/main.ts --server URL --host-id ID --url https://HOST:PORT --pki-dir DIRECTORY\n",
  );
  process.exit(2);
}
try {
  await joinPlatform({ server, token, hostId, url, pkiDir });
} catch (error) {
  const nextStep = problemOf(error)?.options.nextStep ?? "Check --server, and that it can be reached from here.";
  process.stderr.write(
    `${error instanceof ConnectError ? error.rawMessage : (error as Error).message}\nnext: ${nextStep}\n`,
  );
  process.exit(1);
}
