/** Prometheus figures of the daemon. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createPreviewMeter, type PreviewMeter } from "@daytonah/lib/edge/preview-meter.ts";
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { freeMemoryMib } from "../vm/capacity.ts";
import type { VmDeps } from "../vm/vm-deps.ts";

export interface Metrics {
  readonly interceptor: Interceptor;
  /** Counts one call that began at `began` (of performance.now). */
  observe(method: string, code: "ok" | Code, began: number): void;
  readonly previews: PreviewMeter;
  readonly contentType: string;
  text(): Promise<string>;
}

/** From a ping of an agent to a boot under emulation. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(deps: Pick<VmDeps, "registry" | "size">): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const calls = new Histogram({
    name: "dnah_hostd_rpc_seconds",
    help: "Time to the answer, or to the first message of a stream.",
    labelNames: ["method", "code"],
    buckets,
    registers: [register],
  });
  new Gauge({
    name: "dnah_hostd_vms",
    help: "VMs by state.",
    labelNames: ["state"],
    registers: [register],
    collect() {
      this.reset();
      for (const state of ["starting", "running", "failed", "deleting"]) this.set({ state }, 0);
      for (const { record } of deps.registry.entries()) this.inc({ state: record.state });
    },
  });
  new Gauge({
    name: "dnah_hostd_memory_free_mib",
    help: "Memory not yet given to a VM.",
    registers: [register],
    collect() {
      this.set(
        freeMemoryMib(
          deps.size,
          deps.registry.entries().map(({ record }) => record),
        ),
      );
    },
  });
  const observe: Metrics["observe"] = (method, code, began) =>
    calls.observe({ method, code: code === "ok" ? code : Code[code] }, (performance.now() - began) / 1000);
  return {
    observe,
    previews: createPreviewMeter(register),
    contentType: register.contentType,
    text: () => register.metrics(),
    interceptor: (next) => async (request) => {
      const began = performance.now();
      try {
        const response = await next(request);
        observe(request.method.name, "ok", began);
        return response;
      } catch (error) {
        observe(request.method.name, ConnectError.from(error).code, began);
        throw error;
      }
    },
  };
}
