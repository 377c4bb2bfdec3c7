import { VmState } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { SandboxService } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type SandboxState, sandboxStates, targetsOf } from "../domain/sandbox-state.ts";
import { type TestServer, testServer, until } from "../testing/test-server.ts";

/** What the host has of a sandbox that nobody moves; not there: undefined. */
const vmStates: Partial<Record<SandboxState, readonly (VmState | undefined)[]>> = {
  running: [VmState.RUNNING],
  paused: [VmState.PAUSED],
  failed: [VmState.FAILED, undefined],
  deleted: [undefined],
};

/** What users call, and what goes wrong; each takes the server and the sandbox. */
const steps = {
  pause: (server: TestServer, sandboxId: string) => server.client(SandboxService).pauseSandbox({ sandboxId }),
  resume: (server: TestServer, sandboxId: string) => server.client(SandboxService).resumeSandbox({ sandboxId }),
  delete: (server: TestServer, sandboxId: string) => server.client(SandboxService).deleteSandbox({ sandboxId }),
  timeout: (server: TestServer, sandboxId: string) =>
    server.client(SandboxService).setSandboxTimeout({ sandboxId, timeout: { seconds: 60n } }),
  "host pauses it": async ({ host }: TestServer, id: string) => host.pauseItself(id),
  "its time is over": async ({ host }: TestServer, id: string) => host.pauseItself(id, true),
  "host wakes it": async ({ host }: TestServer, id: string) => host.wakeItself(id),
  "VMM is killed": async ({ host }: TestServer, id: string) => host.kill(id),
  "host forgets it": async ({ host }: TestServer, id: string) => host.forget(id),
  "host is cut off": async ({ host }: TestServer) => {
    host.reachable = false;
    host.reachable = true;
  },
  "connections break": async ({ daemon }: TestServer) => daemon.cutConnections(),
  "pauses fail": async ({ host }: TestServer) => {
    host.hooks.onPause = refuseOnce(host.hooks, "onPause");
  },
  "resumes fail": async ({ host }: TestServer) => {
    host.hooks.onResume = refuseOnce(host.hooks, "onResume");
  },
} as const;

function refuseOnce(hooks: TestServer["host"]["hooks"], hook: "onPause" | "onResume") {
  return async () => {
    hooks[hook] = async () => undefined;
    throw problem(hook === "onPause" ? "SNAPSHOT_FAILED" : "RESTORE_FAILED", "It could not.");
  };
}

type Step = keyof typeof steps;

/** Steps in a group are taken at the same time. */
const story = fc.array(fc.array(fc.constantFrom(...(Object.keys(steps) as Step[])), { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 6,
});

async function historyOf(server: TestServer, id: string): Promise<readonly SandboxState[]> {
  const { rows } = await server.database.pool.query("select kind from events where sandbox_id = $1 order by id", [id]);
  return rows.map(({ kind }) => kind.slice("sandbox.".length)).filter((kind) => sandboxStates.includes(kind));
}

async function rowAndHostAgree({ database, host }: TestServer, id: string): Promise<boolean> {
  const { rows } = await database.pool.query("select state, epoch from sandboxes where id = $1", [id]);
  const vm = host.vms.get(id);
  const states = vmStates[rows[0]?.state as SandboxState] ?? [];
  return states.includes(vm?.state) && (!vm || String(vm.epoch) === rows[0]?.epoch);
}

test("no sequence of calls and faults leaves the table of states, and in the end row and host say the same", async () => {
  await using server = await testServer();
  const run = async (groups: readonly (readonly Step[])[]) => {
    const { sandbox } = await server.client(SandboxService).createSandbox({});
    const id = sandbox?.id ?? "";
    for (const group of groups) await Promise.allSettled(group.map(async (step) => steps[step](server, id)));
    // What it forgot is found when it is asked for its list, as it is after the restart in which it forgot.
    await until(() => server.server.statuses.get("h1")?.connected === true);
    server.host.cutWatchers();
    await until(() => rowAndHostAgree(server, id));
    const history = await historyOf(server, id);
    for (const [index, to] of history.slice(1).entries()) {
      expect(targetsOf(history[index] as SandboxState), history.join(" → ")).toContain(to);
    }
    await server
      .client(SandboxService)
      .deleteSandbox({ sandboxId: id })
      .catch(() => undefined);
    await until(() => !server.host.vms.has(id));
  };
  await fc.assert(fc.asyncProperty(story, run), { numRuns: 40, endOnFailure: true });
});
