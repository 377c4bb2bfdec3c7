/** The data plane before one VM, whose agent is whatever listens on `vsockPath`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { typedErrors, validateRequests } from "@daytonah/lib/interceptors.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { agentPort, createAgentClient } from "../../guest/agent-client.ts";
import { superviseVm } from "../../vm/supervise-vm.ts";
import type { VmDeps } from "../../vm/vm-deps.ts";
import type { VmRecord } from "../../vm/vm-record.ts";
import { VmRegistry } from "../../vm/vm-registry.ts";
import { VmStore } from "../../vm/vm-store.ts";
import type { Vm, VmExit } from "../../vmm/vmm.ts";
import { fileService } from "../file-service.ts";
import { monitoringService } from "../monitoring-service.ts";
import { portService } from "../port-service.ts";
import { processService } from "../process-service.ts";
import type { CallDeps } from "../sandbox-call.ts";
import { Uploads } from "../uploads.ts";

const sandboxId = "sbx1";
const epoch = 7;

export interface OneVmOptions {
  /** Between two samples of its metrics; none in a test's time where absent. */
  readonly sampleMs?: number;
  /** What its console has; asked again and again. */
  readonly readConsole?: () => Uint8Array;
}

export async function oneVm(vsockPath: string, options: OneVmOptions = {}) {
  const dir = await mkdtemp(join(tmpdir(), "dnah-"));
  const store = new VmStore(dir);
  await store.prepare();
  const registry = new VmRegistry(store, 10, () => new Date());
  const images = { kernel: "", initramfs: "", moduleDisk: "", root: "" };
  const config = { dir, uid: 0, gid: 0, kernel: "", initramfs: "", cmdline: [], disks: [] };
  const sizes = { vcpus: 1, memoryMib: 128 };
  const handle = { driver: "none", config: { id: sandboxId, ...config, ...sizes }, pid: 0, startTime: "" };
  const plan = { formatVersion: 1 as const, sandboxId, epoch, slot: 0, ...sizes, diskMib: 1, template: "base", images };
  const record: VmRecord = { ...plan, state: "starting" };
  const entry = registry.restore(record);
  await registry.persist(entry);
  await registry.move(entry, { state: "running", handle, stages: [] });
  const { promise: exited, resolve: exit } = Promise.withResolvers<VmExit>();
  const nothing = async () => undefined;
  const vm: Vm = {
    ...{ handle, vsockPath, exited },
    ...{ pause: nothing, resume: nothing, snapshot: nothing, stop: nothing },
    kill: async () => exit({ kind: "stopped" }),
    residentBytes: async () => 0,
    readConsole: async () => options.readConsole?.() ?? new Uint8Array(),
  };
  const files = { runDirOf: () => dir, uidOf: () => 0, removeRunDir: nothing };
  const vmm = { sweep: nothing };
  const cgroups = { limits: "unavailable" };
  const limits = { sampleMs: options.sampleMs ?? 3_600_000 };
  const now = () => new Date();
  const deps = {
    registry,
    wake: nothing,
    store,
    files,
    vmm,
    cgroups,
    limits,
    now,
    log: silentLogger,
  } as unknown as VmDeps & CallDeps;
  superviseVm(deps, entry, vm, createAgentClient({ path: vsockPath, port: agentPort }));

  const transport = createRouterTransport(
    (router) => {
      router.service(ProcessService, processService(deps));
      router.service(FileService, fileService(deps, new Uploads()));
      router.service(PortService, portService(deps));
      router.service(MonitoringService, monitoringService(deps));
    },
    { router: { interceptors: [typedErrors(silentLogger), validateRequests] } },
  );
  return {
    ...{ deps, registry, entry },
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
    headers: { "sandbox-id": sandboxId, "sandbox-epoch": String(epoch) },
    die: () => exit({ kind: "died", detail: "test" }),
    async [Symbol.asyncDispose]() {
      exit({ kind: "stopped" });
      await exited; // its end, this one or an earlier one, is heard of
      await entry.lastChange; // and written down
      await rm(dir, { recursive: true, force: true });
    },
  };
}
