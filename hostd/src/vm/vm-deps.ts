/** What the life of VMs needs; wired in main. */
import type { Logger } from "@daytonah/lib/log.ts";
import type { AgentClient } from "../guest/agent-client.ts";
import type { CgroupSupport } from "../host/cgroup/apply.ts";
import type { ImageStore } from "../images/image-store.ts";
import type { Moves } from "../moves/moves.ts";
import type { Vmm } from "../vmm/vmm.ts";
import type { HostSize } from "./capacity.ts";
import type { HostLease } from "./host-lease.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { VmFiles } from "./vm-files.ts";
import type { VmRegistry } from "./vm-registry.ts";
import type { VmStore } from "./vm-store.ts";

export interface VmDeps {
  readonly vmm: Vmm;
  readonly registry: VmRegistry;
  readonly lease: HostLease;
  readonly store: VmStore;
  readonly snapshots: SnapshotStore;
  readonly moves: Moves;
  readonly files: VmFiles;
  readonly images: ImageStore;
  readonly size: HostSize;
  readonly log: Logger;
  readonly now: () => Date;
  readonly agentAt: (vsockPath: string) => AgentClient;
  readonly limits: VmLimits;
  readonly cgroups: CgroupSupport;
}

export interface VmLimits {
  /** From the VMM's start to the agent's first answer. */
  readonly bootMs: number;
  /** For the agent of a VM that runs already to answer a daemon that was started anew. */
  readonly adoptMs: number;
  /** Between two samples of a VM's metrics. */
  readonly sampleMs: number;
  /** How many VMs there can be. */
  readonly slots: number;
}
