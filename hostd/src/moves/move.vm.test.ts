/** One real VM that is moved from one daemon to another, each with a data folder of its own. */
import { execFileSync } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { connect } from "node:http2";
import { join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { http2ClientSettings, http2SessionWindowBytes } from "@daytonah/lib/http2-settings.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processesOfUid } from "../host/process-table.ts";
import { type Clients, type TestHost, testHost } from "../testing/daemon.ts";
import { uidsInUse } from "../vm/host-uids.ts";
import { uidsPerDaemon } from "../vm/uid-range.ts";
import { moveCopy, type Peer } from "./testing/move-copy.ts";

const memoryDir = "/dev/shm/daytonah-test";
const sandboxId = "one";
const headers = { "sandbox-id": sandboxId };
const stack = new AsyncDisposableStack();

interface Side extends Peer {
  readonly host: TestHost;
  readonly clients: Clients;
}
let a: Side;
let b: Side;

async function openSide(): Promise<Side> {
  const { DNAH_TEST_BUNDLE = "", DNAH_VHOST_DEVICE_VSOCK = "" } = process.env;
  const settings = { DNAH_BUNDLE: DNAH_TEST_BUNDLE, DNAH_VHOST_DEVICE_VSOCK, DNAH_MEMORY_DIR: memoryDir };
  const host = stack.use(await testHost(settings));
  const { clients } = stack.use(await host.start());
  const { ca, server, bearer } = host.pki;
  const session = connect(host.url, { ca, ...server, ...http2ClientSettings });
  session.once("connect", () => session.setLocalWindowSize(http2SessionWindowBytes));
  stack.defer(() => session.destroy());
  return { host, clients, session, bearer };
}

beforeAll(async () => {
  [a, b] = await Promise.all([openSide(), openSide()]);
  await a.clients.host.startVm({ sandboxId, epoch: 1n, template: "base", vcpus: 1, memoryMib: 256 });
}, 120_000);
afterAll(() => stack.disposeAsync());

async function run({ clients }: Side, line: string): Promise<string> {
  let text = "";
  for await (const { event } of clients.processes.exec({ command: { case: "shell", value: { line } } }, { headers })) {
    if (event.case === "output") text += Buffer.from(event.value.data).toString();
  }
  return text;
}

/** All that a VM can leave on its host. */
async function leftovers({ host: { dataDir, runDir } }: Side) {
  const first = Number(await readFile(join(dataDir, "first-uid"), "latin1"));
  const uids = [...(await uidsInUse(first, uidsPerDaemon))];
  const memory = (await readdir(memoryDir).catch(() => [])).map(Number);
  return {
    vms: await readdir(join(dataDir, "vms")),
    moves: await readdir(join(dataDir, "moves")),
    runDirs: await readdir(join(runDir, "vm")),
    processes: uids.flatMap((uid) => processesOfUid(uid)).map(({ name }) => name),
    memory: memory.filter((uid) => uid >= first && uid < first + uidsPerDaemon),
  };
}

const nothing = { vms: [], moves: [], runDirs: [], processes: [], memory: [] };
const folderOf = ({ host }: Side) => join(host.dataDir, "vms", sandboxId);

/** Its disk and its memory. */
const filesOf = async (side: Side) =>
  ["root.ext4", ...(await readdir(join(folderOf(side), "memory"))).map((name) => `memory/${name}`)].map((file) =>
    join(folderOf(side), file),
  );

async function takenBytes(files: readonly string[]): Promise<number> {
  const stats = await Promise.all(files.map((file) => stat(file)));
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0);
}

/** A program's output from an offset on, until it ends or its stream breaks. */
async function follow({ clients }: Side, from: bigint) {
  const request = { process: { selector: { case: "processId" as const, value: "count" } }, fromOffset: from };
  let [text, next] = ["", from];
  let failure: ConnectError | undefined;
  try {
    for await (const { event } of clients.processes.attachProcess(request, { headers })) {
      if (event.case !== "output") continue;
      expect(event.value.offset).toBe(next);
      next += BigInt(event.value.data.length);
      text += Buffer.from(event.value.data).toString();
    }
  } catch (error) {
    failure = ConnectError.from(error);
  }
  return { text, next, failure };
}

/** Has something in memory: each word it reads is answered with all words so far. */
const program = `
notes = []
while True:
    with open("notes.in") as asked:
        notes.append(asked.read().strip())
    with open("notes.out", "w") as answer:
        answer.write(",".join(notes) + "\\n")
`;
const note = (side: Side, word: string) => run(side, `echo ${word} > notes.in; head -n 1 < notes.out`);

test("memory, processes and disk go on at the other host, a stream by offset, and nothing is left", {
  timeout: 240_000,
}, async () => {
  await a.clients.files.writeFile({ path: "notes.py", data: Buffer.from(program) }, { headers });
  await run(a, "mkfifo notes.in notes.out; setsid python3 notes.py < /dev/null > /dev/null 2>&1 &");
  expect(await note(a, "a")).toBe("a\n");
  await run(a, "echo kept > /dev/shm/kept; head -c 8M /dev/urandom > random; sha256sum random > sum");
  const counting = "for i in $(seq 1 40); do echo $i; sleep 0.1; done";
  const count = { command: { case: "shell" as const, value: { line: counting } }, processId: "count" };
  for await (const { event } of a.clients.processes.exec(count, { headers })) if (event.case === "output") break;
  const atA = follow(a, 0n);

  const id = { sandboxId, epoch: 1n };
  await a.clients.host.pauseVm(id);
  expect((await a.clients.host.sealVm(id)).vm).toMatchObject({ state: VmState.PAUSED, sealed: true, memoryKept: true });
  const began = performance.now();
  const sent = await moveCopy(a, { id: sandboxId, epoch: 1n }, b, { id: sandboxId, epoch: 2n });
  const ms = performance.now() - began;
  const [source, target] = [await filesOf(a), await filesOf(b)];
  const [before, after] = [await takenBytes(source), await takenBytes(target)];
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  console.log(
    `a move of ${mib(sent)} MiB took ${Math.round(ms)} ms: ${Math.round((sent / 2 ** 20 / ms) * 1000)} MiB/s; ` +
      `on disk it takes ${mib(before)} MiB there and ${mib(after)} MiB here`,
  );
  for (const [index, file] of source.entries()) execFileSync("cmp", [file, target[index] ?? ""]);
  expect(after).toBeLessThanOrEqual(before + 2 ** 20);

  await b.clients.host.unsealVm({ sandboxId, epoch: 2n });
  await a.clients.host.deleteVm(id);
  const broken = await atA;
  expect(problemOf(broken.failure)).toMatchObject({ reason: "HOST_UNAVAILABLE", options: { retryDelayMs: 100 } });
  expect(await leftovers(a)).toEqual(nothing);

  const { vm, stages } = await b.clients.host.resumeVm({ sandboxId, epoch: 3n });
  expect(vm).toMatchObject({ state: VmState.RUNNING, epoch: 3n });
  expect(stages[0]?.stage).toBe("restore");
  const atB = await follow(b, broken.next);
  expect(atB.failure).toBeUndefined();
  expect(broken.text + atB.text).toBe(Array.from({ length: 40 }, (_, at) => `${at + 1}\n`).join(""));
  expect(await note(b, "b")).toBe("a,b\n");
  expect(await run(b, "cat /dev/shm/kept; sha256sum --check sum")).toBe("kept\nrandom: OK\n");
  await b.clients.host.deleteVm({ sandboxId, epoch: 3n });
  expect(await leftovers(b)).toEqual(nothing);
});
