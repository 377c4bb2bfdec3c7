import { once } from "node:events";
import { readdir, rm } from "node:fs/promises";
import { type ClientHttp2Session, connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { silentLogger } from "@daytonah/lib/log.ts";
import { expect, test } from "vitest";
import { answerOf, ask, moveCopy } from "../moves/testing/move-copy.ts";
import { deleteSnapshot } from "../vm/delete-snapshot.ts";
import { deleteVm } from "../vm/delete-vm.ts";
import { pauseVm } from "../vm/pause-vm.ts";
import { sealVm, unsealVm } from "../vm/seal-vm.ts";
import { snapshotVm } from "../vm/snapshot-vm.ts";
import { startVm } from "../vm/start-vm.ts";
import { lifeHost, startOf } from "../vm/testing/test-host.ts";
import { createMovesHttp } from "./moves-http.ts";

const mib = 1024 * 1024;
const here = { id: "one", epoch: 1n };
const there = { id: "one", epoch: 2n };
const snapshot = { id: "snap_a" };

/** A host whose moves are served, and a client of it. */
async function servedHost() {
  const stack = new AsyncDisposableStack();
  const host = stack.use(await lifeHost());
  const handle = createMovesHttp(host.deps, { metrics: { observe: () => undefined }, log: silentLogger });
  const server = createServer((request, response) => {
    if (!handle(request, response)) response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => void server.close());
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  stack.defer(() => session.destroy());
  return { ...host, session, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Served = Awaited<ReturnType<typeof servedHost>>;

async function sealed({ deps, script, ...host }: Served, diskMib = 0) {
  await startVm(deps, startOf("one", { diskMib }));
  const guest = script.guests.get("one") ?? expect.fail("there is no guest");
  guest.memory = "notes";
  await host.writeDisk("one", "x".repeat(diskMib * mib));
  await pauseVm(deps, "one", 1);
  await sealVm(deps, "one", 1);
}

const leftOf = async ({ deps, left }: Served) => ({
  ...{ vms: (await left()).vms, snapshots: deps.snapshots.list().map(({ snapshotId }) => snapshotId) },
});

/** How a stream of an answer ended: cleanly, or by a reset. */
async function endOf({ stream }: ReturnType<typeof ask>): Promise<"whole" | "reset"> {
  stream.resume();
  stream.on("error", () => undefined);
  if (!stream.closed) await once(stream, "close").catch(() => undefined);
  return stream.rstCode === 0 ? "whole" : "reset";
}

test("a VM and a snapshot are read at one host and written to another", async () => {
  await using from = await servedHost();
  await using to = await servedHost();
  await sealed(from, 8);
  expect(await moveCopy(from, here, to, there)).toBeGreaterThan(8 * mib);
  expect(to.deps.registry.get("one")?.record).toMatchObject({ state: "paused", sealed: true, epoch: 2, memory: {} });
  expect(await to.diskEnd("one", 3)).toBe("xxx");

  await snapshotVm(from.deps, { sandboxId: "one", epoch: 1, snapshotId: "snap_a" });
  await moveCopy(from, snapshot, to, snapshot);
  await moveCopy(from, snapshot, to, snapshot); // a repeat
  const { sizeBytes: _, ...manifest } = from.deps.snapshots.get("snap_a") ?? expect.fail("it is gone");
  expect(to.deps.snapshots.get("snap_a")).toMatchObject(manifest);
  await startVm(to.deps, startOf("two", { snapshotId: "snap_a" }));
  expect(to.script.guests.get("two")?.memory).toBe("notes");
  expect(await to.diskEnd("two", 3)).toBe("xxx");
  const next = await to.restart();
  expect(next.snapshots.get("snap_a")).toMatchObject(manifest);
});

test("what is not there, is not sealed or is over is refused with a reason", async () => {
  await using host = await servedHost();
  const get = (address: typeof here | typeof snapshot) => answerOf(ask(host, "GET", address));
  expect(await get(here)).toEqual([404, "SANDBOX_NOT_FOUND"]);
  expect(await get(snapshot)).toEqual([404, "SNAPSHOT_NOT_FOUND"]);
  await startVm(host.deps, startOf("one"));
  expect(await get(here)).toEqual([409, "SANDBOX_NOT_RUNNING"]);
  expect(await get(there)).toEqual([409, "SANDBOX_NOT_RUNNING"]);
  const put = (epoch: bigint) => answerOf(ask(host, "PUT", { id: "one", epoch }));
  expect(await put(2n)).toEqual([409, "SANDBOX_STATE_CONFLICT"]);
  await deleteVm(host.deps, "one", 1);
  expect(await put(1n)).toEqual([409, "SANDBOX_NOT_RUNNING"]);
  expect(await answerOf(ask(host, "POST", here))).toEqual([405, "UNKNOWN_CALL"]);
  const garbage = ask(host, "PUT", there);
  garbage.stream.end(Buffer.alloc(mib, "garbage"));
  expect(await answerOf(garbage)).toEqual([400, "FIELD_INVALID"]);
  expect(await leftOf(host)).toEqual({ vms: [], snapshots: [] });
});

test("a reading that can't be finished is reset", async () => {
  await using host = await servedHost();
  await sealed(host, 32);
  const unsealed = ask(host, "GET", here);
  expect(await unsealed.status).toBe(200);
  await unsealVm(host.deps, "one", 1);
  expect(await endOf(unsealed)).toBe("reset");

  await sealVm(host.deps, "one", 1);
  await rm(join(host.dataDir, "vms/one/root.ext4"));
  const broken = ask(host, "GET", here);
  expect(await broken.status).toBe(200);
  expect(await endOf(broken)).toBe("reset");
});

test("a deleted VM's or snapshot's reading ends before they are gone", async () => {
  await using host = await servedHost();
  await sealed(host, 32);
  await snapshotVm(host.deps, { sandboxId: "one", epoch: 1, snapshotId: "snap_a" });
  const readings = [ask(host, "GET", here), ask(host, "GET", snapshot)];
  for (const { status } of readings) expect(await status).toBe(200);
  await deleteVm(host.deps, "one", 1);
  await deleteSnapshot(host.deps, "snap_a");
  expect(await leftOf(host)).toEqual({ vms: [], snapshots: [] });
  expect(await Promise.all(readings.map(endOf))).toEqual(["reset", "reset"]);
});

test("a writing that its client breaks off leaves nothing, and so does one that is deleted meanwhile", async () => {
  await using from = await servedHost();
  await using to = await servedHost();
  await sealed(from, 8);
  await snapshotVm(from.deps, { sandboxId: "one", epoch: 1, snapshotId: "snap_a" });
  const drafts = async () => {
    const moves = await readdir(join(to.dataDir, "moves"));
    return [...moves, ...(await to.snapshots())];
  };
  for (const [source, target] of [
    [here, there],
    [snapshot, snapshot],
  ] as const) {
    for (const breaks of ["client", "delete"]) {
      const read = ask(from, "GET", source);
      const write = ask(to, "PUT", target);
      write.stream.on("error", () => undefined);
      read.stream.once("data", (piece: Buffer) => {
        write.stream.write(piece);
        read.stream.close();
      });
      await expect.poll(drafts).toHaveLength(1);
      if (breaks === "client") write.stream.destroy();
      else if (target === snapshot) await deleteSnapshot(to.deps, "snap_a");
      else await deleteVm(to.deps, "one", 2);
      await expect.poll(drafts).toEqual([]);
      if (breaks === "delete") expect(await answerOf(write)).toEqual([409, "SANDBOX_STATE_CONFLICT"]);
    }
  }
  expect(await leftOf(to)).toEqual({ vms: [], snapshots: [] });
  await moveCopy(from, snapshot, to, snapshot);
  await moveCopy(from, here, to, { id: "one", epoch: 3n });
});
