/**
 * The data plane before one VM that can be paused and resumed. Its guest is the real agent as a process of this host, which
 * stands still (SIGSTOP) while the VM does, and whose connections break as a snapshot breaks them.
 */
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { FileService } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { MonitoringService } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import { PortService } from "@daytonah/gen/daytonah/v1/port_pb.ts";
import { ProcessService } from "@daytonah/gen/daytonah/v1/process_pb.ts";
import { typedErrors, validateRequests } from "@daytonah/lib/interceptors.ts";
import { silentLogger } from "@daytonah/lib/log.ts";
import { realAgent } from "../../guest/testing/real-agent.ts";
import { pauseVm } from "../../vm/pause-vm.ts";
import { resumeVm } from "../../vm/resume-vm.ts";
import { type StartVm, startVm } from "../../vm/start-vm.ts";
import { lifeHost, startOf } from "../../vm/testing/test-host.ts";
import type { VmLifecycle } from "../../vm/vm-record.ts";
import { wakeVm } from "../../vm/wake-vm.ts";
import { dataPlaneServices } from "../data-plane.ts";
import type { CallDeps } from "../sandbox-call.ts";

const sandboxId = "one";

export async function lastingVm(lifecycle: Partial<VmLifecycle> = {}, more: Partial<StartVm> = {}) {
  const stack = new AsyncDisposableStack();
  const agent = stack.use(await realAgent());
  const host = stack.use(await lifeHost(undefined, agent.path));
  host.script.step = async (step) => {
    if (step === "snapshot") agent.front.breakAll();
    else agent.process.kill(step === "pause" ? "SIGSTOP" : "SIGCONT");
  };
  stack.defer(() => void agent.process.kill("SIGCONT"));
  const told = { version: 1, deleteAtEnd: false, autoResume: false, ...lifecycle };
  await startVm(host.deps, startOf(sandboxId, { lifecycle: told, ...more }));
  const entry = host.deps.registry.get(sandboxId);
  if (!entry) throw new Error("the VM did not start");

  const calls: CallDeps = { registry: host.deps.registry, wake: (paused) => wakeVm(host.deps, paused) };
  const services = dataPlaneServices(calls);
  const transport = createRouterTransport(
    (router) => {
      router.service(ProcessService, services.processes);
      router.service(FileService, services.files);
      router.service(PortService, services.ports);
      router.service(MonitoringService, services.monitoring);
    },
    { router: { interceptors: [typedErrors(silentLogger), validateRequests] } },
  );
  return {
    ...{ host, entry, calls, services },
    processes: createClient(ProcessService, transport),
    files: createClient(FileService, transport),
    ports: createClient(PortService, transport),
    monitoring: createClient(MonitoringService, transport),
    headers: { "sandbox-id": sandboxId },
    pause: () => pauseVm(host.deps, sandboxId, entry.record.epoch),
    resume: () => resumeVm(host.deps, { sandboxId, epoch: entry.record.epoch + 1, requestId: "" }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
