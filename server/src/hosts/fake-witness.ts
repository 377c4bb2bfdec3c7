/** Sees every VM of several fake hosts, and notes each moment in which two hosts could run the same sandbox. */
import type { Vm } from "@daytonah/gen/daytonah/host/v1/daemon_pb.ts";

export interface FakeWitness {
  /** Undefined: it is there no more. */
  see(hostId: string, sandboxId: string, vm: Vm | undefined): void;
  readonly faults: readonly string[];
}

export function createFakeWitness(): FakeWitness {
  const unsealed = new Map<string, Set<string>>();
  const faults: string[] = [];
  return {
    faults,
    see(hostId, sandboxId, vm) {
      const hosts = unsealed.get(sandboxId) ?? new Set();
      unsealed.set(sandboxId, hosts);
      if (!vm || vm.sealed) hosts.delete(hostId);
      else hosts.add(hostId);
      if (hosts.size > 1) faults.push(`${sandboxId} at epoch ${vm?.epoch} on ${[...hosts].join(" and ")}`);
    },
  };
}
