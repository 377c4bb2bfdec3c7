/**
 * Restores, over and over, of VMs that are written down while they work: by the daemon, with real microVMs.
 *
 * A VM writes to its disk and its memory, sleeps, sets alarms (soak-load.py), and is called without a break (soak-vm.ts). At a
 * random moment it is snapshotted: its calls have to end right nevertheless. Its file system is checked, and children are made of
 * the snapshot, two at a time. Each child answers, has every block of disk and memory as it was last written, moves bytes both
 * ways (a megabyte after a resume, less otherwise), has the right time, which never went back, timers that go on, and a kernel
 * that complains of nothing. One of them is paused and resumed, which is one more restore, and is the parent of the next: what a
 * restore wears out adds up.
 * There is no network in it: this driver has none.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "@daytonah/lib/sleep.ts";
import { createCommandRunner } from "../../host/exec.ts";
import { type Clients, testHost } from "../../testing/daemon.ts";
import { loopMount } from "../../testing/loop-mount.ts";
import { randomFrom } from "../../testing/random.ts";
import { type Dialogue, SoakVm, soakLimit } from "./soak-vm.ts";

export interface SoakFigures {
  readonly restores: number;
  readonly snapshots: number;
  readonly seconds: number;
  /** Milliseconds from the call that restores to the first answer of a program in the VM. */
  readonly firstAnswers: readonly number[];
}

const size = { template: "base", vcpus: 1, memoryMib: 128 };

export async function restoreSoak(restores: number, seed: number): Promise<SoakFigures> {
  const { DNAH_TEST_BUNDLE = "", DNAH_VHOST_DEVICE_VSOCK = "" } = process.env;
  await using disk = await loopMount(16 * 1024);
  const settings = {
    DNAH_BUNDLE: DNAH_TEST_BUNDLE,
    DNAH_VHOST_DEVICE_VSOCK,
    DNAH_MEMORY_DIR: "/dev/shm/daytonah-test",
  };
  await using host = await testHost({ ...settings, DNAH_HOSTD_DATA_DIR: join(disk.path, "data") });
  await using daemon = await host.start();
  return await new Soak(daemon.clients, host.dataDir, seed).run(restores).catch((error: unknown) => {
    throw new Error(`after the daemon said:\n${daemon.stderr().slice(-4000)}`, { cause: error });
  });
}

class Soak {
  readonly #clients: Clients;
  readonly #dataDir: string;
  readonly #random;
  readonly #firstAnswers: number[] = [];
  readonly #runner = createCommandRunner();
  #children = 0;

  constructor(clients: Clients, dataDir: string, seed: number) {
    this.#clients = clients;
    this.#dataDir = dataDir;
    this.#random = randomFrom(seed);
  }

  async run(restores: number): Promise<SoakFigures> {
    await this.#clients.host.startVm({ ...size, sandboxId: "soak0", epoch: 1n }, soakLimit());
    let parent = await SoakVm.begin(this.#clients, "soak0");
    const began = performance.now();
    let snapshots = 0;
    while (this.#firstAnswers.length < restores) {
      parent = await this.#generation(parent, `snap_${++snapshots}`);
    }
    await this.#delete(parent);
    const seconds = (performance.now() - began) / 1000;
    return { restores: this.#firstAnswers.length, snapshots, seconds, firstAnswers: this.#firstAnswers };
  }

  /** Twelve restores. The last child, which is the next parent. */
  async #generation(parent: SoakVm, snapshotId: string): Promise<SoakVm> {
    const dialogue = await this.#snapshot(parent, snapshotId);
    await Promise.all([this.#fsck(snapshotId), this.#delete(parent)]);
    const lane = async (children: number) => {
      for (let made = 0; made < children; made += 1) await this.#delete(await this.#child(snapshotId, dialogue));
    };
    const heirs = async () => {
      await lane(4);
      const heir = await this.#child(snapshotId, dialogue);
      await this.#pauseAndResume(heir);
      return heir;
    };
    const [heir] = await Promise.all([heirs(), lane(6)]);
    await this.#clients.host.deleteVmSnapshot({ snapshotId }, soakLimit());
    return heir;
  }

  /** At a random moment; what is called meanwhile ends right, and the VM is as it was. */
  async #snapshot(parent: SoakVm, snapshotId: string): Promise<Dialogue> {
    const { sandboxId, epoch, dialogue } = parent;
    const traffic = parent.traffic();
    await sleep(50 + this.#random(500), soakLimit());
    await this.#clients.host.snapshotVm({ sandboxId, epoch, snapshotId }, soakLimit());
    await traffic.end();
    await parent.check(await parent.clocks(), 1024);
    return dialogue;
  }

  /** Its file system, as after a power cut: what the journal has is put into its place first. */
  async #fsck(snapshotId: string): Promise<void> {
    const disk = join(this.#dataDir, "snapshots", snapshotId, "root.ext4");
    const copy = join(this.#dataDir, `${snapshotId}.fsck`);
    await this.#runner.run(["cp", "--reflink=always", disk, copy], soakLimit());
    await this.#runner.run(["e2fsck", "-E", "journal_only", "-y", copy], soakLimit());
    await this.#runner.run(["e2fsck", "-f", "-n", copy], soakLimit());
    await rm(copy);
  }

  async #child(snapshotId: string, dialogue: Dialogue): Promise<SoakVm> {
    const child = SoakVm.child(this.#clients, `soak${++this.#children}`, dialogue);
    const { sandboxId, epoch } = child;
    await this.#restored(child, 256, () =>
      this.#clients.host.startVm({ ...size, sandboxId, epoch, snapshotId }, soakLimit()),
    );
    return child;
  }

  async #pauseAndResume(vm: SoakVm): Promise<void> {
    const { sandboxId, epoch } = vm;
    await this.#clients.host.pauseVm({ sandboxId, epoch }, soakLimit());
    vm.epoch += 1n;
    await this.#restored(vm, 1024, () => this.#clients.host.resumeVm({ sandboxId, epoch: vm.epoch }, soakLimit()));
  }

  async #restored(vm: SoakVm, streamKib: number, restore: () => Promise<unknown>): Promise<void> {
    const began = performance.now();
    await restore();
    const first = await vm.clocks();
    this.#firstAnswers.push(performance.now() - began);
    await vm.check(first, streamKib);
  }

  async #delete({ sandboxId, epoch }: SoakVm): Promise<void> {
    await this.#clients.host.deleteVm({ sandboxId, epoch }, soakLimit());
  }
}
