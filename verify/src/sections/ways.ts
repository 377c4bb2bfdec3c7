/** Calls and content on both ways to a sandbox: through the control plane, and straight to its host. */
import { Client, Sandbox } from "daytonah";
import type { Bench, Section } from "../bench.ts";
import { startByteServer } from "../byte-server.ts";
import type { DataFloors } from "../floors/data-floors.ts";
import { measureWay, type WayFigures } from "../measure-way.ts";
import { p50, type Row } from "../report.ts";

const port = 8123;

export const ways: Section = {
  name: "ways",
  group: "data",
  run: async (bench: Bench) => {
    const floors = bench.dataFloors();
    const { uploadMib } = bench.options;
    const measured = await measureWays(bench);
    const rates = [...floorRates(floors), ...measured.flatMap(([name, way]) => rateRows(name, way, floors))];
    return [
      { unit: "ms", rows: measured.flatMap(([name, way]) => timeRows(name, way, floors, uploadMib)) },
      { unit: "MiB/s", rows: rates },
    ];
  },
};

async function measureWays({ options, progress }: Bench): Promise<[string, WayFigures][]> {
  const sandbox = await Sandbox.create({ memoryMib: 1024 });
  try {
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
      measured.push([name, await measureWay(await connect(), await connect(), { ...options, portUrl })]);
    }
    return measured;
  } finally {
    await sandbox.kill({ purge: true });
  }
}

function timeRows(name: string, way: WayFigures, floors: DataFloors, uploadMib: number): Row[] {
  const inGuest = p50(floors.echo) + p50(floors.forkExec);
  const uploadFloor = p50(floors.execUpload);
  return [
    { path: `${name}: exec`, values: way.exec, floor: inGuest, budget: "4 / 5, ours ≤ 1.5" },
    { path: "– each of 100 at once", values: way.execMany, floor: p50(floors.execMany) },
    {
      path: `– while another uploads ${uploadMib} MiB`,
      values: way.execUpload,
      floor: uploadFloor,
      budget: "ours ≤ 1.5",
    },
    { path: "– keystroke echo", values: way.ptyEcho, floor: p50(floors.ptyEcho) },
    { path: "– GET from a port's address", values: way.edge, floor: p50(floors.http) },
  ];
}

function floorRates({ writeRate, readRate, httpRate }: DataFloors): Row[] {
  return [
    { path: "floor: into a file by the vsock, the agent alone", values: [writeRate] },
    { path: "floor: out of a file", values: [readRate] },
    { path: "floor: from a guest's port", values: [httpRate] },
  ];
}

function rateRows(name: string, way: WayFigures, floors: DataFloors): Row[] {
  return [
    { path: `${name}: file in`, values: [way.writeRate], floor: floors.writeRate },
    { path: "– file out", values: [way.readRate], floor: floors.readRate },
    { path: "– from a port's address", values: [way.edgeRate], floor: floors.httpRate },
  ];
}
