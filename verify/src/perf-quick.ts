/**
 * Prints each path of the platform beside its floor, from one run: what the platform adds is ours, the floor is the VMM's, the
 * guest's and the kernel's.
 */
import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { Client, Sandbox } from "daytonah";
import { startByteServer } from "./byte-server.ts";
import { type Floors, measureFloors } from "./floors.ts";
import { measureCreates } from "./measure-creates.ts";
import { findDaemon, measureMemory } from "./measure-memory.ts";
import { measureWay, type WayFigures } from "./measure-way.ts";
import { jsonOf, p50, type Row, type Table, textOf } from "./report.ts";

const { values } = parseArgs({
  options: {
    bundle: { type: "string" },
    "vhost-device-vsock": { type: "string", default: "vhost-device-vsock" },
    agent: { type: "string" },
    creates: { type: "string", default: "5" },
    execs: { type: "string", default: "100" },
    "content-mib": { type: "string", default: "100" },
    "upload-mib": { type: "string", default: "500" },
    sandboxes: { type: "string", default: "20" },
    "hostd-pid": { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const port = 8123;
const mib = 1024 * 1024;
const progress = (text: string) => void process.stderr.write(`${text} ...\n`);

progress("floors");
const floors = measureFloors({
  bundle: values.bundle,
  vhostDeviceVsock: values["vhost-device-vsock"],
  boots: Number(values.creates),
  contentMib: Number(values["content-mib"]),
});
progress("creates");
const creates = await measureCreates(Number(values.creates));
const ways = await measureWays();
progress(`${values.sandboxes} idle sandboxes`);
const memory = await measureMemory(Number(values.sandboxes), Number(values["hostd-pid"] ?? findDaemon()));

const tables: Table[] = [
  { unit: "ms", rows: [...floorRows(floors), ...createRows(), ...ways.flatMap(([name, way]) => timeRows(name, way))] },
  { unit: "MiB/s", rows: [...floorRateRows(floors), ...ways.flatMap(([name, way]) => rateRows(name, way))] },
  { unit: "MiB", rows: memoryRows() },
];
console.log(values.json ? jsonOf(tables) : textOf(tables));

async function measureWays(): Promise<[string, WayFigures][]> {
  await using sandbox = await Sandbox.create({ memoryMib: 1024 });
  await startByteServer(sandbox, port);
  const { url, directUrl } = await sandbox.ports.url(port);
  const measured: [string, WayFigures][] = [];
  for (const [name, direct, portUrl] of [
    ["by the control plane", "never", url],
    ["straight to the host", "always", directUrl],
  ] as const) {
    if (portUrl === undefined) continue;
    progress(name);
    const connect = () =>
      Sandbox.connect(sandbox.id, {
        accessToken: sandbox.accessToken,
        directUrl: sandbox.directUrl,
        client: new Client({ direct }),
      });
    const options = {
      execs: Number(values.execs),
      contentMib: Number(values["content-mib"]),
      uploadMib: Number(values["upload-mib"]),
      portUrl,
    };
    measured.push([name, await measureWay(await connect(), await connect(), options)]);
  }
  return measured;
}

function floorRows({ boot, echo, forkExec, exec, execMany, execUpload, ptyEcho, http }: Floors): Row[] {
  return [
    { path: "floor: VMM alone until the agent answers", values: boot },
    { path: "floor: vsock dial and one frame echoed", values: echo },
    { path: "floor: fork and exec in the guest", values: forkExec },
    { path: "  the agent alone: both, and its own work", values: exec },
    { path: "floor: each of 100 execs at once, the agent alone", values: execMany },
    { path: "floor: exec while content is written, the agent alone", values: execUpload },
    { path: "floor: keystroke echo, the agent alone", values: ptyEcho },
    { path: "floor: GET from a guest's port, the agent alone", values: http },
  ];
}

function createRows(): Row[] {
  const inGuest = p50(floors.echo) + p50(floors.forkExec);
  return [
    { path: "create, cold", values: creates.creates, floor: p50(floors.boot) },
    ...[...creates.stages].map(([stage, ms]) => ({ path: `  stage ${stage}`, values: ms })),
    { path: "first exec", values: creates.firstExecs, floor: inGuest },
    { path: "delete", values: creates.deletes },
  ];
}

function timeRows(name: string, way: WayFigures): Row[] {
  return [
    { path: `${name}: exec`, values: way.exec, floor: p50(floors.echo) + p50(floors.forkExec) },
    { path: "  each of 100 at once", values: way.execMany, floor: p50(floors.execMany) },
    {
      path: `  while another uploads ${values["upload-mib"]} MiB`,
      values: way.execUpload,
      floor: p50(floors.execUpload),
    },
    { path: "  keystroke echo", values: way.ptyEcho, floor: p50(floors.ptyEcho) },
    { path: "  GET from a port's address", values: way.edge, floor: p50(floors.http) },
  ];
}

function floorRateRows({ writeRate, readRate, httpRate }: Floors): Row[] {
  return [
    { path: "floor: into a file by the vsock, the agent alone", values: [writeRate] },
    { path: "floor: out of a file", values: [readRate] },
    { path: "floor: from a guest's port", values: [httpRate] },
  ];
}

function rateRows(name: string, way: WayFigures): Row[] {
  return [
    { path: `${name}: file in`, values: [way.writeRate], floor: floors.writeRate },
    { path: "  file out", values: [way.readRate], floor: floors.readRate },
    { path: "  from a port's address", values: [way.edgeRate], floor: floors.httpRate },
  ];
}

function memoryRows(): Row[] {
  return [
    { path: `host daemon for each of ${values.sandboxes} idle sandboxes, 5 streams each`, values: [memory.each] },
    { path: "  in all", values: [memory.daemon] },
    { path: "agent, resident, after all of the floors", values: [floors.agentBytes / mib] },
    ...(values.agent === undefined ? [] : [{ path: "agent, on disk", values: [statSync(values.agent).size / mib] }]),
  ];
}
