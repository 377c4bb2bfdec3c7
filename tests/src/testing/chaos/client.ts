/** One client: it makes sandboxes, lives their lives, and writes down in the model what it was told. Nobody else touches its own. */
import { create } from "@bufbuild/protobuf";
import { LifecycleSchema, type Sandbox, SandboxState } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Snapshot } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import type { Api } from "../api.ts";
import type { Random } from "../random.ts";
import { Caller, orDone } from "./caller.ts";
import { type Seen, writeLine } from "./guest-lines.ts";
import { type Content, type KnownSandbox, type KnownSnapshot, type Losses, withLine } from "./model.ts";
import { checkFailed, hostOf, lossesOf, mayBeLost, rebootsOf, type World } from "./world.ts";

/** Guests are small, and a core emulates each: more would take each other's time-outs. */
const mostSandboxes = 3;
const mostSnapshots = 2;
const memoryMib = 128;
const callMs = 45_000;

export class Client {
  readonly #world: World;
  readonly #random: Random;
  readonly #name: string;
  readonly #caller: Caller;
  #count = 0;
  readonly #own: KnownSandbox[] = [];
  readonly #snapshots: KnownSnapshot[] = [];

  constructor(world: World, name: string, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#name = `${world.name}-${name}`;
    this.#caller = new Caller(world.cluster.apis, world.model, random);
  }

  async run(): Promise<void> {
    while (!this.#world.over.aborted) await this.#act();
  }

  async #act(): Promise<void> {
    const there = this.#own.filter(({ deleted }) => deleted === "no");
    const one = this.#random.pick(there);
    if (!one || (there.length < mostSandboxes && this.#random.next() < 0.15)) return this.#create();
    if (one.paused === undefined && !(await this.#look(one))) return;
    const usable = this.#snapshots.filter(({ deleted }) => deleted === "no");
    const itsOwn = usable.filter(({ sandboxId }) => sandboxId === one.id);
    if (this.#world.onSnapshot) return this.#snapshot(one);
    const room = there.length < mostSandboxes;
    const actions: readonly (readonly [number, () => Promise<void>])[] = [
      [one.paused && !one.autoResume ? 0 : 6, () => this.#write(one)],
      [one.paused ? 3 : 2, () => (one.paused ? this.#resume(one) : this.#pause(one))],
      [usable.length < mostSnapshots ? 1.5 : 0, () => this.#snapshot(one)],
      [usable.length > 0 && room ? 1 : 0, () => this.#createFrom(this.#random.pick(usable))],
      [itsOwn.length > 0 ? 1 : 0, () => this.#rollBack(one, this.#random.pick(itsOwn))],
      [usable.length > 0 ? 0.5 : 0, () => this.#deleteSnapshot(this.#random.pick(usable))],
      [room ? 1 : 0, () => this.#fork(one)],
      [1, () => this.#delete(one)],
    ];
    await pickByWeight(this.#random, actions)();
  }

  async #create(): Promise<void> {
    await this.#make("create", "", [[]]);
  }

  async #createFrom(snapshot: KnownSnapshot): Promise<void> {
    await this.#make("create from snapshot", snapshot.id, snapshot.contents);
  }

  async #make(what: string, snapshotId: string, contents: readonly Content[]): Promise<void> {
    const key = this.#key(1);
    const autoResume = this.#random.next() < 0.5;
    const request = {
      ...{ idempotencyKey: key, snapshotId, metadata: { key } },
      lifecycle: create(LifecycleSchema, { autoResume }),
      ...(snapshotId === "" ? { resources: { vcpus: 1, memoryMib, diskMib: 0 } } : {}),
    };
    const reboots = rebootsOf(this.#world);
    const made = await this.#caller.repeated(what, ({ sandboxes }) =>
      sandboxes.createSandbox(request, { timeoutMs: callMs }),
    );
    if (made.t === "done") await this.#know(made.value.sandbox, contents, reboots);
  }

  async #fork(parent: KnownSandbox): Promise<void> {
    const count = 1 + this.#random.below(2);
    const key = this.#key(count);
    const lifecycle = create(LifecycleSchema, { autoResume: false });
    const reboots = rebootsOf(this.#world);
    const made = await this.#caller.repeated("fork", ({ sandboxes }) =>
      sandboxes.forkSandbox(
        { sandboxId: parent.id, count, idempotencyKey: key, metadata: { key }, lifecycle },
        { timeoutMs: callMs },
      ),
    );
    if (made.t !== "done") return;
    for (const { result } of made.value.results) {
      if (result.case === "child") await this.#know(result.value.sandbox, parent.contents, reboots);
    }
  }

  async #know(
    sandbox: Sandbox | undefined,
    contents: readonly Content[],
    rebootsBefore: ReadonlyMap<string, number>,
  ): Promise<void> {
    const { id, hostId, lifecycle } = sandbox as Sandbox;
    const one: KnownSandbox = {
      ...{ id, hostId, contents, autoResume: lifecycle?.autoResume ?? false, rebootsBefore },
      ...{ paused: false, deleted: "no", memory: undefined },
    };
    this.#world.model.sandboxes.set(id, one);
    this.#own.push(one);
    await this.#write(one);
  }

  async #write(one: KnownSandbox): Promise<void> {
    const text = `${this.#name}-${this.#count++}`;
    const losses = lossesOf(this.#world, one.id);
    const written = await this.#caller.once("write", (api) => writeLine(api, one.id, text));
    if (written.t === "refused") {
      // A call that was refused was not begun; but one whose VM died under it was.
      one.contents = withLine(one.contents, { text, certain: false });
      if (written.reason !== "SANDBOX_PAUSED") one.paused = undefined;
      return;
    }
    const seen = written.t === "done" ? written.value : undefined;
    one.contents = withLine(one.contents, { text, certain: seen !== undefined });
    if (seen) await this.#check(one, seen, losses);
    if (one.paused && written.t === "done") one.paused = false;
    if (written.t === "unsure") one.paused = undefined;
  }

  /** `losses` up to the call: what was lost during it may be older than the answer. */
  async #check(one: KnownSandbox, { bootId, lines }: Seen, losses: Losses): Promise<void> {
    const { model } = this.#world;
    model.checkContent(one, lines);
    const { memory } = one;
    if (memory && memory.bootId !== bootId) {
      const before = { ...one };
      await this.#look(one);
      const lost = mayBeLost(this.#world, before, memory.losses, one.hostId);
      model.check(lost, `${one.id} lost its memory, and nothing took it`);
    }
    one.memory = { bootId, losses };
  }

  async #pause(one: KnownSandbox): Promise<void> {
    const paused = await this.#caller.repeated("pause", ({ sandboxes }) =>
      sandboxes.pauseSandbox({ sandboxId: one.id }, { timeoutMs: callMs }),
    );
    one.paused = paused.t === "done" ? true : undefined;
  }

  async #resume(one: KnownSandbox): Promise<void> {
    const resumed = await this.#caller.repeated("resume", ({ sandboxes }) =>
      sandboxes.resumeSandbox({ sandboxId: one.id }, { timeoutMs: callMs }),
    );
    one.paused = resumed.t === "done" ? false : undefined;
  }

  async #snapshot(one: KnownSandbox): Promise<void> {
    const { model, onSnapshot } = this.#world;
    this.#world.onSnapshot = undefined;
    const idempotencyKey = this.#key(0);
    const filling = onSnapshot?.(hostOf(this.#world, one.hostId));
    const taken = await this.#caller.repeated("snapshot", ({ snapshots }) =>
      snapshots.createSnapshot({ sandboxId: one.id, idempotencyKey }, { timeoutMs: callMs }),
    );
    await filling;
    if (taken.t !== "done") {
      one.paused = undefined;
      return;
    }
    const { id } = taken.value.snapshot as Snapshot;
    const snapshot: KnownSnapshot = { id, sandboxId: one.id, contents: one.contents, deleted: "no" };
    model.snapshots.set(id, snapshot);
    this.#snapshots.push(snapshot);
  }

  async #rollBack(one: KnownSandbox, snapshot: KnownSnapshot): Promise<void> {
    const idempotencyKey = this.#key(0);
    const made = await this.#caller.repeated("roll back", ({ sandboxes }) =>
      sandboxes.rollBackSandbox({ sandboxId: one.id, snapshotId: snapshot.id, idempotencyKey }, { timeoutMs: callMs }),
    );
    one.memory = undefined;
    one.contents = made.t === "done" ? snapshot.contents : [...one.contents, ...snapshot.contents];
    one.paused = made.t === "done" ? false : undefined;
  }

  async #deleteSnapshot(snapshot: KnownSnapshot): Promise<void> {
    snapshot.deleted = "asked";
    const call = ({ snapshots }: Api) => snapshots.deleteSnapshot({ snapshotId: snapshot.id }, { timeoutMs: callMs });
    const gone = await this.#caller.repeated("delete snapshot", orDone("SNAPSHOT_NOT_FOUND", call));
    if (gone.t === "done") snapshot.deleted = "yes";
  }

  /** Some are taken back. */
  async #delete(one: KnownSandbox): Promise<void> {
    one.deleted = "asked";
    const idempotencyKey = this.#key(0);
    const gone = await this.#caller.repeated("delete", ({ sandboxes }) =>
      sandboxes.deleteSandbox({ sandboxId: one.id, idempotencyKey }, { timeoutMs: callMs }),
    );
    if (gone.t !== "done") return;
    one.deleted = "yes";
    if (this.#random.next() < 0.6) return;
    one.deleted = "asked";
    const back = await this.#caller.repeated("undelete", ({ sandboxes }) =>
      sandboxes.undeleteSandbox({ sandboxId: one.id }, { timeoutMs: callMs }),
    );
    if (back.t !== "done") return;
    one.deleted = "no";
    one.memory = undefined; // a tombstone keeps that of a paused one only
    one.paused = true;
  }

  /** Finds out how it is; whether it can be used. One that failed is started again from its disk. */
  async #look(one: KnownSandbox): Promise<boolean> {
    const got = await this.#caller.repeated("get", ({ sandboxes }) =>
      sandboxes.getSandbox({ sandboxId: one.id }, { timeoutMs: callMs }),
    );
    if (got.t !== "done") return false;
    const { state, hostId } = got.value.sandbox as Sandbox;
    if (state === SandboxState.FAILED) {
      checkFailed(this.#world, one, hostId);
      await this.#resume(one);
      return false;
    }
    one.hostId = hostId;
    if (state === SandboxState.PAUSED || state === SandboxState.RUNNING) one.paused = state === SandboxState.PAUSED;
    return one.paused !== undefined;
  }

  /** Of a request that makes so many sandboxes. */
  #key(makes: number): string {
    const key = `${this.#name}-${this.#count++}`;
    if (makes > 0) this.#world.model.requests.set(key, makes);
    return key;
  }
}

function pickByWeight<T>(random: Random, choices: readonly (readonly [number, T])[]): T {
  let left = random.next() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return (choices.at(-1) as readonly [number, T])[1];
}
