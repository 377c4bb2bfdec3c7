/** What Prometheus gets. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createPreviewMeter, type PreviewMeter } from "@daytonah/lib/edge/preview-meter.ts";
import { problemOf } from "@daytonah/lib/problem.ts";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type CallLimit, callKinds } from "../auth/call-limit.ts";
import type { Database } from "../db/open-database.ts";
import { countSandboxesByState } from "../db/sandboxes.ts";
import { sandboxStates } from "../domain/sandbox-state.ts";
import type { HostStatuses } from "../loops/host-statuses.ts";
import type { RelayOptions } from "../relay/relay.ts";

export interface Metrics {
  readonly countCalls: Interceptor;
  /** Of calls that were turned away before they were looked at. */
  readonly onRefused: (rpc: string, error: unknown) => void;
  readonly onRelayed: RelayOptions["onRelayed"];
  readonly previews: PreviewMeter;
  /** In Prometheus's text form. */
  print(): Promise<string>;
  readonly contentType: string;
}

const seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics({ db, pool }: Database, statuses: HostStatuses, callLimit: CallLimit): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const calls = new Histogram({
    name: "dnah_rpc_seconds",
    help: "Calls of the control plane, by method and code.",
    labelNames: ["rpc", "code"],
    buckets: seconds,
    registers,
  });
  const relayed = new Histogram({
    name: "dnah_relay_seconds",
    help: "Relayed calls until their end, by method and outcome.",
    labelNames: ["rpc", "outcome"],
    buckets: seconds,
    registers,
  });
  const failures = new Counter({
    name: "dnah_metrics_database_failures_total",
    help: "Times that the database did not answer for a scrape.",
    registers,
  });
  new Gauge({
    name: "dnah_sandboxes",
    help: "Sandboxes by state; deleted ones are not counted.",
    labelNames: ["state"],
    registers,
    async collect() {
      this.reset();
      try {
        const counts = new Map((await countSandboxesByState(db)).map(({ state, count }) => [state, count]));
        for (const state of sandboxStates) if (state !== "deleted") this.set({ state }, counts.get(state) ?? 0);
      } catch {
        failures.inc(); // the other metrics matter all the more now
      }
    },
  });
  new Gauge({
    name: "dnah_host_connected",
    help: "1 where this server follows the host.",
    labelNames: ["host"],
    registers,
    collect() {
      this.reset(); // hosts are removed
      for (const { hostId, connected } of statuses.values()) this.set({ host: hostId }, connected ? 1 : 0);
    },
  });
  new Gauge({
    name: "dnah_database_connections",
    help: "Connections of this server's pool, by what they do.",
    labelNames: ["use"],
    registers,
    collect() {
      this.set({ use: "busy" }, pool.totalCount - pool.idleCount);
      this.set({ use: "idle" }, pool.idleCount);
      this.set({ use: "waited_for" }, pool.waitingCount);
    },
  });

  new Gauge({
    name: "dnah_calls_under_way",
    help: "Calls that are counted against their organizations' limits now, by kind.",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of callKinds) this.set({ kind }, callLimit.underWay[kind]);
    },
  });
  new Counter({
    name: "dnah_calls_refused_total",
    help: "Calls that were refused because their organization had too many under way, by kind.",
    labelNames: ["kind"],
    registers,
    collect() {
      this.reset();
      for (const kind of callKinds) this.inc({ kind }, callLimit.refused[kind]);
    },
  });

  return {
    countCalls: (next) => async (request) => {
      const stop = calls.startTimer({ rpc: `${request.service.typeName}/${request.method.name}` });
      try {
        const response = await next(request);
        stop({ code: "ok" });
        return response;
      } catch (error) {
        stop({ code: codeOf(error) });
        throw error;
      }
    },
    onRefused: (rpc, error) => calls.observe({ rpc, code: codeOf(error) }, 0),
    previews: createPreviewMeter(registry),
    onRelayed: ({ rpc, outcome, seconds: took }) => relayed.observe({ rpc, outcome }, took),
    print: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function codeOf(error: unknown): string {
  const code = problemOf(error)?.code ?? ConnectError.from(error).code;
  return (Code[code] ?? "unknown").toLowerCase();
}
