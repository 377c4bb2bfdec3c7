/** A host in memory, for tests: the second implementation of HostClient, and what a test's daemon answers from. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type GetHostResponse,
  GetHostResponseSchema,
  StartVmResponseSchema,
  type Vm,
  VmSchema,
  VmState,
  WatchVmsResponseSchema,
} from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";
import { problem, problemOf } from "@daytonah/lib/problem.ts";
import type { VmLifecycle } from "../domain/lifecycle.ts";
import type { VmAccess } from "../domain/vm-access.ts";
import { createFakeCopies, type FakeCopies } from "./fake-copies.ts";
import { createFakeHooks, createFakeLife, type FakeLife } from "./fake-life.ts";
import { createFakeSnapshots, type FakeSnapshots } from "./fake-snapshots.ts";
import { createWatcher, type Watcher } from "./fake-watcher.ts";
import type { FakeWitness } from "./fake-witness.ts";
import type { HostClient, VmId } from "./host-client.ts";

export interface FakeHost extends HostClient, FakeLife, FakeSnapshots, FakeCopies {
  /** What there is, by sandbox. */
  readonly vms: ReadonlyMap<string, Vm>;
  /** Who may reach them, as it was told last. */
  readonly accesses: ReadonlyMap<string, VmAccess>;
  /** Every call that starts, moves or ends a VM, such as "start abc 1". */
  readonly calls: readonly string[];
  /** StartVm waits for what this returns; rejecting is its failure. */
  onStart: (id: VmId) => Promise<void>;
  /** SetVmAccess waits for what this returns; rejecting is its failure. */
  onAccess: (id: VmId) => Promise<void>;
  /** RenewLease waits for what this returns. */
  onLease: () => Promise<void>;
  /** Milliseconds of each RenewLease that came. */
  readonly leases: readonly number[];
  /** RequestCertificate and InstallCertificate; a test that renews brings its own. */
  certificates: Pick<HostClient, "requestCertificate" | "installCertificate">;
  /** False: every call fails as if nobody listened, and watchers are cut off. */
  reachable: boolean;
  /** The VMM is killed. */
  kill(sandboxId: string): void;
  /** The host's record of it vanishes, as after a reinstallation. */
  forget(sandboxId: string): void;
  /** Cuts off the watchers, as a restart of the daemon does. */
  cutWatchers(): void;
}

const heartbeatMs = 5_000;

export function createFakeHost(hostId: string, offer: Partial<GetHostResponse> = {}, witness?: FakeWitness): FakeHost {
  const vms = new Map<string, Vm>();
  const accesses = new Map<string, VmAccess>();
  const lifecycles = new Map<string, VmLifecycle>();
  const refused = new Map<string, bigint>();
  const starts = new Map<string, Promise<void>>();
  const calls: string[] = [];
  const leases: number[] = [];
  const watchers = new Set<Watcher>();
  let reachable = true;

  const unreachable = () =>
    problem("HOST_UNAVAILABLE", `The host ${hostId} does not answer.`, {
      metadata: { host_id: hostId },
      retryDelayMs: 2_000,
    });
  const demandReachable = () => {
    if (!reachable) throw unreachable();
  };
  const tell = (vm: Vm) => {
    for (const watcher of watchers) watcher.push(create(WatchVmsResponseSchema, { event: { case: "vm", value: vm } }));
  };
  const put = (vm: Vm) => {
    vms.set(vm.sandboxId, vm);
    witness?.see(hostId, vm.sandboxId, vm);
    tell(vm);
  };
  const drop = (sandboxId: string) => {
    vms.delete(sandboxId);
    witness?.see(hostId, sandboxId, undefined);
  };
  const cutWatchers = () => {
    for (const watcher of watchers) watcher.fail(unreachable());
  };

  const fake = { vms, accesses, lifecycles, refused, calls, put, tell, demandReachable };
  const hooks = createFakeHooks();
  const snapshots = createFakeSnapshots(fake, hooks);
  const host: FakeHost = {
    ...createFakeLife(fake, hooks),
    ...snapshots,
    ...createFakeCopies(fake, hooks, snapshots.snapshots),
    hostId,
    vms,
    accesses,
    calls,
    onStart: async () => undefined,
    onAccess: async () => undefined,
    onLease: async () => undefined,
    get reachable() {
      return reachable;
    },
    set reachable(value) {
      reachable = value;
      if (!value) cutWatchers();
    },
    cutWatchers,
    leases,
    certificates: { requestCertificate: noCertificates, installCertificate: noCertificates },

    async renewLease(ms) {
      demandReachable();
      leases.push(ms);
      await host.onLease();
    },

    requestCertificate: (options) => host.certificates.requestCertificate(options),
    installCertificate: (certificate, options) => host.certificates.installCertificate(certificate, options),

    async getHost() {
      demandReachable();
      return create(GetHostResponseSchema, {
        hostId,
        architecture: "x86_64",
        driver: "fake",
        vcpus: 16,
        memoryMib: 16_384n,
        memoryFreeMib: 16_384n,
        diskFreeMib: 100_000n,
        templates: [{ name: "base", digest: `sha256:${"0".repeat(64)}`, diskMib: 2048, description: "For tests." }],
        version: "0.0.0",
        instanceId: "1",
        ...offer,
      } as GetHostResponse);
    },

    async startVm(spec) {
      demandReachable();
      const { sandboxId, epoch } = spec;
      calls.push(`start ${sandboxId} ${epoch}`);
      if ((refused.get(sandboxId) ?? 0n) >= epoch || (vms.get(sandboxId)?.epoch ?? 0n) > epoch) {
        throw problem("SANDBOX_STATE_CONFLICT", "This epoch was ended.");
      }
      if (vms.get(sandboxId)?.epoch !== epoch) {
        const { template: _, env: __, access, lifecycle, snapshotId, ...size } = spec;
        if (snapshotId !== "" && !snapshots.snapshots.has(snapshotId)) {
          throw problem("SNAPSHOT_NOT_FOUND", "This host has no such snapshot.");
        }
        if (access) accesses.set(sandboxId, access);
        if (lifecycle) lifecycles.set(sandboxId, lifecycle);
        const versions = { accessVersion: access?.version ?? 0n, lifecycleVersion: lifecycle?.version ?? 0n };
        put(create(VmSchema, { ...size, ...versions, state: VmState.STARTING }));
        starts.set(sandboxId, host.onStart(spec));
      }
      try {
        await starts.get(sandboxId);
      } catch (error) {
        const vm = vms.get(sandboxId);
        // A refusal leaves no record, as on a real host.
        if (problemOf(error)?.reason === "NO_CAPACITY") drop(sandboxId);
        else if (vm) {
          put({ ...vm, state: VmState.FAILED, failureReason: "BOOT_FAILED", failureMessage: String(error) });
        }
        throw error;
      }
      demandReachable();
      const vm = vms.get(sandboxId);
      if (vm?.epoch !== epoch) throw problem("SANDBOX_STATE_CONFLICT", "It was deleted while it started.");
      if (vm.state === VmState.STARTING) put({ ...vm, state: VmState.RUNNING });
      return create(StartVmResponseSchema, {
        vm: vms.get(sandboxId) as Vm,
        stages: [{ stage: "vmm", duration: durationFromMs(1) }],
      });
    },

    async deleteVm({ sandboxId, epoch }) {
      demandReachable();
      calls.push(`delete ${sandboxId} ${epoch}`);
      await hooks.onDelete({ sandboxId, epoch });
      const vm = vms.get(sandboxId);
      if (vm && vm.epoch > epoch) throw problem("SANDBOX_STATE_CONFLICT", "It has a higher epoch.");
      refused.set(sandboxId, epoch);
      if (!vm) return;
      drop(sandboxId);
      tell({ ...vm, state: VmState.DELETED });
    },

    async setVmAccess({ sandboxId, epoch, access }) {
      demandReachable();
      await host.onAccess({ sandboxId, epoch });
      const vm = vms.get(sandboxId);
      if (!vm) throw problem("SANDBOX_NOT_FOUND", "This host has no such sandbox.");
      if (vm.epoch !== epoch) throw problem("SANDBOX_NOT_RUNNING", "It is at another epoch.");
      if (access.version <= vm.accessVersion) return;
      accesses.set(sandboxId, access);
      put({ ...vm, accessVersion: access.version });
    },

    async *watchVms({ signal }) {
      demandReachable();
      const watcher = createWatcher(signal);
      watchers.add(watcher);
      const beats = setInterval(
        () => watcher.push(create(WatchVmsResponseSchema, { event: { case: "heartbeat", value: {} } })),
        heartbeatMs,
      );
      try {
        for (const vm of [...vms.values()]) yield create(WatchVmsResponseSchema, { event: { case: "vm", value: vm } });
        yield create(WatchVmsResponseSchema, { event: { case: "synced", value: {} } });
        yield* watcher.events;
      } finally {
        clearInterval(beats);
        watchers.delete(watcher);
      }
    },

    kill(sandboxId) {
      const vm = vms.get(sandboxId);
      if (!vm) throw new Error(`the fake host has no ${sandboxId}`);
      put({ ...vm, state: VmState.FAILED, failureReason: "VM_DIED", failureMessage: "The VM's process was killed." });
    },

    forget(sandboxId) {
      drop(sandboxId);
    },
  };
  return host;
}

async function noCertificates(): Promise<never> {
  throw problem("UNKNOWN_CALL", "This fake has no certificate.");
}
