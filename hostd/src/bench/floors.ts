/**
 * What the platform can't beat on this host: a VM started by the driver alone, and calls to its agent without any of us in
 * between. Prints one JSON document; `verify/perf-quick.sh` sets it beside the platform's own figures.
 *
 *   boot            driver's boot until the agent answers a ping
 *   echo            dial of the vsock and one frame echoed by the agent
 *   exec            a call to the agent that runs /bin/true, without any of us in between
 *   forkExec        the guest's own part of that: /bin/true from its start to its end
 *   execMany        each of 100 such calls at once
 *   execUpload      such a call while content is written to a file
 *   ptyEcho         a letter typed until the terminal shows it
 *   http            a GET of one byte from a server in the guest, on a kept connection through the agent
 *   writeRate, readRate, httpRate   MiB/s of content into a file, out of it, and from that server
 *   agentBytes      resident memory of the agent at the end of all that
 */
import { parseArgs } from "node:util";
import type { AgentClient } from "../guest/agent-client.ts";
import { exec, openEcho, openHttp, ping, rateOf, readFile, startByteServer, writeFile } from "./agent-calls.ts";
import { withBenchVm } from "./bench-vm.ts";

const calls = 100;
/** In memory, so that no disk is measured. */
const file = "/dev/shm/bench";
const port = 8123;
const mib = 1024 * 1024;

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    boots: { type: "string", default: "5" },
    "memory-mib": { type: "string", default: "512" },
    /** Size of the content that is written and read. */
    "content-mib": { type: "string", default: "100" },
  },
});
if (values.bundle === undefined) throw new Error("--bundle is missing: name the folder with bundle.json");
const options = {
  bundleDir: values.bundle,
  vhostDeviceVsock: values["vhost-device-vsock"],
  memoryMib: Number(values["memory-mib"]),
};
const content = Number(values["content-mib"]) * mib;

const boot: number[] = [];
let measured = {};
for (let n = 1; n <= Number(values.boots); n += 1) {
  await withBenchVm(options, async (agent, bootMs) => {
    boot.push(bootMs);
    if (n === Number(values.boots)) measured = await measureCalls(agent);
  });
}
console.log(JSON.stringify({ boot, ...measured }));
process.exit(0);

async function measureCalls(agent: AgentClient) {
  const echo = await repeat(calls, () => ping(agent));
  const forkExec: number[] = [];
  const execTimes = await repeat(calls, async () => {
    forkExec.push(await exec(agent, ["/bin/true"]));
  });
  const execMany = await Promise.all(Array.from({ length: 100 }, () => timed(() => exec(agent, ["/bin/true"]))));
  const writing = writeFile(agent, file, content);
  const execUpload = await repeatDuring(writing, () => exec(agent, ["/bin/true"]));
  await writing;
  const writeRate = await writeFile(agent, file, content);
  const readRate = await readFile(agent, file);
  const typeLetter = await openEcho(agent);
  const ptyEcho: number[] = [];
  for (let n = 0; n < calls; n += 1) ptyEcho.push(await typeLetter());
  await startByteServer(agent, port);
  const get = await openHttp(agent, port);
  const http = await repeat(calls, () => get("/1"));
  const began = performance.now();
  const httpRate = rateOf(await get(`/${content}`), began);
  const { agentResidentBytes: agentBytes } = await ping(agent);
  return {
    echo,
    exec: execTimes,
    forkExec,
    execMany,
    execUpload,
    ptyEcho,
    http,
    writeRate,
    readRate,
    httpRate,
    agentBytes,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function repeat(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) times.push(await timed(work));
  return times;
}

/** As often as it goes while the other lasts, once at least. */
async function repeatDuring(other: Promise<unknown>, work: () => Promise<unknown>): Promise<number[]> {
  let over = false;
  void other.finally(() => {
    over = true;
  });
  const times: number[] = [];
  while (!over || times.length === 0) times.push(await timed(work));
  return times;
}
