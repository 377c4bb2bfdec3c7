/**
 * Stands in for Cloud Hypervisor where there is none: a program with its command line, its API and its manners, whose guest
 * is the real agent as a process of this host. See docs/cloud-hypervisor.md for what it imitates, and what not.
 */
import { rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createEndpoints, type Validators } from "./endpoints.ts";
import { EventLog } from "./event-log.ts";
import { serveHttp } from "./http.ts";
import { readSettings } from "./settings.ts";
import { Vmm } from "./vmm.ts";

const { values } = parseArgs({
  options: {
    "api-socket": { type: "string" },
    "event-monitor": { type: "string" },
    seccomp: { type: "string", default: "true" },
    verbose: { type: "boolean", short: "v", multiple: true },
    version: { type: "boolean", short: "V" },
  },
});
const settings = readSettings();
if (values.version) {
  console.log(`cloud-hypervisor ${settings.version}`);
  process.exit(0);
}
const pathOf = (value: string | undefined) => value?.replace(/^path=/, "");
const socket = pathOf(values["api-socket"]);
if (socket === undefined) {
  console.error("Error: --api-socket is missing");
  process.exit(1);
}

process.umask(0o077);
const events = new EventLog(pathOf(values["event-monitor"]));
events.write("vmm", "starting");

/** In order: guest and sockets go. A SIGKILL leaves them. */
const exit = () => {
  vmm.shutDown();
  events.write("vmm", "shutdown");
  rmSync(socket, { force: true });
  rmSync(`${socket}.lock`, { force: true });
  process.exit(0);
};
const vmm = new Vmm(settings, events, exit);
process.on("SIGTERM", exit).on("SIGINT", exit);

const source = new URL("../validators.mjs", import.meta.url).href;
const { validators } = (await import(source)) as { validators: Validators };
// A socket that a killed one left is taken away, under a lock.
writeFileSync(`${socket}.lock`, "");
rmSync(socket, { force: true });
await serveHttp(socket, createEndpoints(vmm, settings, validators, exit));
