import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { HostService } from "@daytonah/gen/daytonah/v1/host_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { SnapshotService } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type SandboxState, sandboxStates, targetsOf } from "../domain/sandbox-state.ts";
import type { FakeHooks } from "../hosts/fake-life.ts";
import { until } from "../testing/test-server.ts";
import { type TwoHosts, twoHosts } from "../testing/two-hosts.ts";

/** What the host has of a sandbox that nobody moves; not there: undefined. */
const vmStates: Partial<Record<SandboxState, readonly (VmState | undefined)[]>> = {
  running: [VmState.RUNNING],
  paused: [VmState.PAUSED],
  failed: [VmState.FAILED, undefined],
  deleted: [undefined],
};

const sandboxes = ({ server }: TwoHosts) => server.client(SandboxService);
/** The host that has it, or could be the next. */
const hostOf = ({ a, b }: TwoHosts, id: string) => (b.vms.has(id) && !b.vms.get(id)?.sealed ? b : a);

/** What users and operators call, and what goes wrong; each takes the platform and the sandbox. */
const steps = {
  pause: (all: TwoHosts, sandboxId: string) => sandboxes(all).pauseSandbox({ sandboxId }),
  resume: (all: TwoHosts, sandboxId: string) => sandboxes(all).resumeSandbox({ sandboxId }),
  delete: (all: TwoHosts, sandboxId: string) => sandboxes(all).deleteSandbox({ sandboxId }),
  timeout: (all: TwoHosts, sandboxId: string) =>
    sandboxes(all).setSandboxTimeout({ sandboxId, timeout: { seconds: 60n } }),
  snapshot: (all: TwoHosts, sandboxId: string) => all.server.client(SnapshotService).createSnapshot({ sandboxId }),
  "roll back": async (all: TwoHosts, sandboxId: string) => {
    const { snapshots } = await all.server.client(SnapshotService).listSnapshots({ sandboxId });
    await sandboxes(all).rollBackSandbox({ sandboxId, snapshotId: snapshots[0]?.id ?? "" });
  },
  fork: (all: TwoHosts, sandboxId: string) => sandboxes(all).forkSandbox({ sandboxId }),
  "its host is drained": async (all: TwoHosts, id: string) => {
    const [from, to] = hostOf(all, id) === all.a ? ["a", "b"] : ["b", "a"];
    await drain(all, { [to as string]: false, [from as string]: true });
  },
  "no host is drained": (all: TwoHosts) => drain(all, { a: false, b: false }),
  "host pauses it": async (all: TwoHosts, id: string) => hostOf(all, id).pauseItself(id),
  "its time is over": async (all: TwoHosts, id: string) => hostOf(all, id).pauseItself(id, true),
  "host wakes it": async (all: TwoHosts, id: string) => hostOf(all, id).wakeItself(id),
  "VMM is killed": async (all: TwoHosts, id: string) => hostOf(all, id).kill(id),
  "host forgets it": async (all: TwoHosts, id: string) => hostOf(all, id).forget(id),
  "hosts are cut off": async ({ a, b }: TwoHosts) => {
    for (const reachable of [false, true]) for (const host of [a, b]) host.reachable = reachable;
  },
  "connections break": async ({ server }: TwoHosts) => {
    for (const daemon of server.daemons) daemon.cutConnections();
  },
  "pauses fail": async (all: TwoHosts) => refuseOnce(all, "onPause"),
  "resumes fail": async (all: TwoHosts) => refuseOnce(all, "onResume"),
  "copies fail": async (all: TwoHosts) => refuseOnce(all, "onWrite"),
} as const;

async function drain({ server }: TwoHosts, drained: Readonly<Record<string, boolean>>): Promise<void> {
  const hosts = server.client(HostService);
  for (const [hostId, is] of Object.entries(drained)) {
    await (is ? hosts.drainHost({ hostId }) : hosts.undrainHost({ hostId }));
  }
}

function refuseOnce({ a, b }: TwoHosts, hook: keyof FakeHooks): void {
  for (const { hooks } of [a, b]) {
    hooks[hook] = async () => {
      hooks[hook] = async () => undefined;
      throw problem(hook === "onResume" ? "RESTORE_FAILED" : "SNAPSHOT_FAILED", "It could not.");
    };
  }
}

type Step = keyof typeof steps;

/** Steps in a group are taken at the same time. */
const story = fc.array(fc.array(fc.constantFrom(...(Object.keys(steps) as Step[])), { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 6,
});

async function historyOf({ server }: TwoHosts, id: string): Promise<readonly SandboxState[]> {
  const { rows } = await server.database.pool.query("select kind from events where sandbox_id = $1 order by id", [id]);
  return rows.map(({ kind }) => kind.slice("sandbox.".length)).filter((kind) => sandboxStates.includes(kind));
}

async function rowAndHostsAgree({ server, a, b }: TwoHosts, id: string): Promise<boolean> {
  const { rows } = await server.database.pool.query(
    "select state, epoch, host_id, transfer from sandboxes where id = $1",
    [id],
  );
  const { state, epoch, host_id: hostId, transfer } = rows[0];
  const [here, there] = hostId === "b" ? [b, a] : [a, b];
  const vm = hostId === null ? undefined : here.vms.get(id);
  const asItShould = vmStates[state as SandboxState]?.includes(vm?.state) && (!vm || String(vm.epoch) === epoch);
  return asItShould === true && transfer === null && !vm?.sealed && !there.vms.has(id);
}

test("no sequence of calls and faults leaves the table of states, and in the end row and hosts say the same", async () => {
  await using all = await twoHosts();
  const { server, a, b } = all;
  const run = async (groups: readonly (readonly Step[])[]) => {
    const { sandbox } = await sandboxes(all).createSandbox({});
    const id = sandbox?.id ?? "";
    for (const group of groups) await Promise.allSettled(group.map(async (step) => steps[step](all, id)));
    await drain(all, { a: false, b: false });
    // What a host forgot is found when it is asked for its list, as it is after the restart in which it forgot.
    await until(() => [...server.server.statuses.values()].every(({ connected }) => connected));
    for (const host of [a, b]) host.cutWatchers();
    await until(() => rowAndHostsAgree(all, id));
    const history = await historyOf(all, id);
    for (const [index, to] of history.slice(1).entries()) {
      expect(targetsOf(history[index] as SandboxState), history.join(" → ")).toContain(to);
    }
    for (const { id: sandboxId } of (await sandboxes(all).listSandboxes({})).sandboxes) {
      await sandboxes(all)
        .deleteSandbox({ sandboxId })
        .catch(() => undefined);
    }
    await until(() => a.vms.size + b.vms.size === 0);
  };
  await fc.assert(fc.asyncProperty(story, run), { numRuns: 20, endOnFailure: true });
}, 120_000);
