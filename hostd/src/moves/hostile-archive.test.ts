/** What a host takes in is a stranger's: nothing in it reaches beyond its own folder, or is endless, or is half. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Problem } from "@daytonah/lib/problem.ts";
import { type Header, pack } from "tar-stream";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { deleteVm } from "../vm/delete-vm.ts";
import { exportVm } from "../vm/export-vm.ts";
import { importVm } from "../vm/import-vm.ts";
import { pauseVm } from "../vm/pause-vm.ts";
import { sealVm } from "../vm/seal-vm.ts";
import { startVm } from "../vm/start-vm.ts";
import { failureOf } from "../vm/testing/failure-of.ts";
import { lifeHost, startOf } from "../vm/testing/test-host.ts";
import type { VmRecord } from "../vm/vm-record.ts";

const { signal } = new AbortController();
const mib = 1024 * 1024;
const stack = new AsyncDisposableStack();
let host: Awaited<ReturnType<typeof lifeHost>>;
let record: VmRecord;
/** What the other host really packs. */
let whole: Buffer;
/** Each test takes it in as a later epoch. */
let epoch = 1;

beforeAll(async () => {
  const other = stack.use(await lifeHost());
  await startVm(other.deps, startOf("one"));
  await pauseVm(other.deps, "one", 1);
  record = await sealVm(other.deps, "one", 1);
  const parts: Uint8Array[] = [];
  const { output } = await exportVm(other.deps, { sandboxId: "one", epoch: 1 }, { signal });
  for await (const piece of output) parts.push(piece);
  whole = Buffer.concat(parts);
  host = stack.use(await lifeHost());
});
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  epoch += 1;
});
afterEach(() => deleteVm(host.deps, "one", epoch));

type Part = [header: Partial<Header> & { readonly name: string; readonly pax?: object }, content?: Uint8Array];

const vmJson = (change: object = {}): Part => [
  { name: "vm.json" },
  Buffer.from(JSON.stringify({ ...record, ...change })),
];
const disk = (bytes = mib): Part => [{ name: "root.ext4" }, Buffer.alloc(bytes)];
const memory = (name = "memory/memory", bytes = 5): Part => [{ name }, Buffer.alloc(bytes)];
/** A file with holes as GNU tar writes one. */
const sparse = (name: string, realSize: number | string, map: string, data = Buffer.alloc(0), format = "1"): Part => {
  const text = Buffer.from(map);
  const padding = Buffer.alloc((512 - (text.length % 512)) % 512);
  const pax = {
    ...{ "GNU.sparse.major": format, "GNU.sparse.minor": "0" },
    ...{ "GNU.sparse.name": name, "GNU.sparse.realsize": String(realSize) },
  };
  return [{ name: `GNUSparseFile.0/${name}`, pax }, Buffer.concat([text, padding, data])];
};

async function archive(parts: readonly Part[]): Promise<Buffer> {
  const packing = pack();
  for (const [header, content = Buffer.alloc(0)] of parts) packing.entry(header, content);
  packing.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of packing as AsyncIterable<Uint8Array>) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* piecesOf(bytes: Uint8Array, most = 4_000) {
  for (let at = 0; at < bytes.length; at += most) yield bytes.subarray(at, at + most);
}

const take = (body: AsyncIterable<Uint8Array>) => importVm(host.deps, { sandboxId: "one", epoch }, body, { signal });

async function expectNothingLeft() {
  expect(await host.left()).toEqual({ vms: [], runDirs: [] });
  expect(await readdir(join(host.dataDir, "moves"))).toEqual([]);
  expect((await readdir(join(host.dataDir, ".."))).sort()).toEqual(["bundle", "data", "run"]);
  expect((await readdir(host.dataDir)).sort()).toEqual(["images", "moves", "snapshots", "tombstones", "vms"]);
}

const link = (type: "link" | "symlink", name: string): Part => [{ name, type, linkname: "../../../bundle/f1" }];

test.each<[why: string, parts: () => Part[]]>([
  ["nothing", () => []],
  ["no description first", () => [disk(), vmJson(), memory()]],
  ["a description that is a link", () => [link("symlink", "vm.json"), disk(), memory()]],
  ["a description that is not JSON", () => [[{ name: "vm.json" }, Buffer.from("{")], disk(), memory()]],
  ["an endless description", () => [[{ name: "vm.json" }, Buffer.alloc(4 * mib + 1, "x")], disk(), memory()]],
  ["another sandbox's description", () => [vmJson({ sandboxId: "two" }), disk(), memory()]],
  ["a VM that was not sealed", () => [vmJson({ sealed: false }), disk(), memory()]],
  ["a VM that runs", () => [vmJson({ state: "running" }), disk(), memory()]],
  ["sizes that are none", () => [vmJson({ memoryMib: -1 }), disk(), memory()]],
  ["more memory than a VM may have", () => [vmJson({ memoryMib: 2 ** 40 }), disk(), memory()]],
  [
    "images that are paths",
    () => [vmJson({ images: { ...record.images, root: "../../bundle/f1" } }), disk(), memory()],
  ],
  ["no images", () => [vmJson({ images: undefined }), disk(), memory()]],
  ["a disk that is a symbolic link", () => [vmJson(), link("symlink", "root.ext4"), memory()]],
  ["a disk that is a hard link", () => [vmJson(), link("link", "root.ext4"), memory()]],
  ["a disk that is a device", () => [vmJson(), [{ name: "root.ext4", type: "block-device", devmajor: 8 }], memory()]],
  ["memory that is a link to a folder", () => [vmJson(), link("symlink", "memory"), memory(), disk()]],
  ["a folder", () => [vmJson(), [{ name: "memory", type: "directory" }], disk(), memory()]],
  ["an absolute name", () => [vmJson(), disk(), memory(), [{ name: "/etc/dnah-hostile" }, Buffer.from("x")]]],
  ["a name that leaves the folder", () => [vmJson(), disk(), memory("memory/../../../bundle/new")]],
  ["a name with an end in it", () => [vmJson(), disk(), [{ name: "memory/a", pax: { path: "memory/a\0b" } }]]],
  ["memory in a folder of its own", () => [vmJson(), disk(), memory("memory/a/b")]],
  ["a hidden name", () => [vmJson(), disk(), memory("memory/.x")]],
  ["a file that is no VM's", () => [vmJson(), disk(), memory(), [{ name: "tombstone" }]]],
  ["the record once more", () => [vmJson(), disk(), memory(), vmJson()]],
  ["a disk twice", () => [vmJson(), disk(), disk(), memory()]],
  ["too many files", () => [vmJson(), disk(), ...Array.from({ length: 17 }, (_, at) => memory(`memory/m${at}`))]],
  ["a disk larger than is said", () => [vmJson(), disk(mib + 512), memory()]],
  ["a disk smaller than is said", () => [vmJson(), disk(512), memory()]],
  ["no disk", () => [vmJson(), memory()]],
  ["no memory, where it is said", () => [vmJson(), disk()]],
  ["memory, where none is said", () => [vmJson({ memory: undefined }), disk(), memory()]],
  [
    "holes of another disk's size",
    () => [vmJson(), sparse("root.ext4", 2 ** 50, "1\n1125899906842624\n0\n"), memory()],
  ],
  ["holes without a size", () => [vmJson(), sparse("root.ext4", "9e9", "1\n0\n0\n"), memory()]],
  ["more memory than the VM has", () => [vmJson(), disk(), sparse("memory/memory", 2 ** 40, "0\n")]],
  [
    "a map that leaves its file",
    () => [vmJson(), sparse("root.ext4", mib, `1\n${mib}\n512\n`, Buffer.alloc(512)), memory()],
  ],
  ["a map that goes back", () => [vmJson(), sparse("root.ext4", mib, "2\n512\n1\n0\n1\n", Buffer.alloc(2)), memory()]],
  [
    "a map that promises more data",
    () => [vmJson(), sparse("root.ext4", mib, "1\n0\n600\n", Buffer.alloc(512)), memory()],
  ],
  ["a map that hides data", () => [vmJson(), sparse("root.ext4", mib, "0\n", Buffer.alloc(512)), memory()]],
  ["a map of no numbers", () => [vmJson(), sparse("root.ext4", mib, "1\n-4\n4\n"), memory()]],
  ["a map of a number without an end", () => [vmJson(), sparse("root.ext4", mib, "9".repeat(512)), memory()]],
  ["an endless map", () => [vmJson(), sparse("root.ext4", mib, "1000001\n"), memory()]],
  ["no map", () => [vmJson(), sparse("root.ext4", mib, ""), memory()]],
  ["a map of another format", () => [vmJson(), sparse("root.ext4", mib, "1\n0\n0\n", Buffer.alloc(0), "0"), memory()]],
])("%s is refused, and leaves nothing", async (_, parts) => {
  const { reason } = await failureOf(take(piecesOf(await archive(parts()), 64 * 1024)));
  expect(reason).toBe("FIELD_INVALID");
  await expectNothingLeft();
});

test("nobody may do more with a file than read it", async () => {
  const parts = [vmJson(), disk(), memory()].map(
    ([header, content = Buffer.alloc(0)]): Part => [{ ...header, mode: 0o7777 }, content],
  );
  await take(piecesOf(await archive(parts)));
  const modes = ["root.ext4", "memory/memory"].map(async (name) => {
    return (await stat(join(host.dataDir, "vms/one", name))).mode & 0o7777;
  });
  expect(await Promise.all(modes)).toEqual([0o600, 0o644]);
});

test("what is torn anywhere is refused, and leaves nothing", async () => {
  const end = whole.lastIndexOf("memory/memory") + 1_024; // from there on only the archive's own end is missing
  for (let cut = 0; cut < end; cut += 97_531) {
    expect((await failureOf(take(piecesOf(whole.subarray(0, cut), 50_000)))).reason).toBe("FIELD_INVALID");
  }
  await expectNothingLeft();
});

test("whatever bytes are changed in its headers, it is refused or whole, and reaches nothing else", async () => {
  const headers = [0, whole.indexOf("root.ext4"), whole.indexOf("memory/memory")].map((at) => at - (at % 512));
  const seed = Number(process.env.DNAH_SEED ?? Date.now() % 1_000_000);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % below;
  };
  for (let round = 0; round < 30; round++) {
    const changed = Buffer.from(whole);
    for (let times = 1 + random(3); times > 0; times--) {
      changed[(headers[random(headers.length)] ?? 0) + random(512)] = random(256);
    }
    const outcome = await take(piecesOf(changed, 200_000)).catch((error: unknown) => error);
    if (outcome === undefined) {
      await deleteVm(host.deps, "one", epoch);
      epoch += 1;
    } else {
      expect(outcome, `DNAH_SEED=${seed}, round ${round}`).toBeInstanceOf(Problem);
    }
    await expectNothingLeft();
  }
});
