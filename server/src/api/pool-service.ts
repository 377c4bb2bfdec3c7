/** daytonah.v1.PoolService. */
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { PoolService } from "@daytonah/gen/daytonah/v1/pool_pb.ts";
import type { Resources } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import { problem } from "@daytonah/lib/problem.ts";
import { readyHosts } from "../db/hosts.ts";
import { deletePool, type PoolKey, type PoolLevel, poolLevels, savePool } from "../db/pools.ts";
import { newPoolId } from "../domain/ids.ts";
import { wantedReady } from "../domain/pool-size.ts";
import type { ServiceDeps } from "../services/deps.ts";

const defaultWindowMs = 120_000;

export function createPoolService({ db, clock }: ServiceDeps): ServiceImpl<typeof PoolService> {
  return {
    async setPool({ pool }) {
      const key = keyOf(pool);
      await demandTemplate(key.template);
      const { id } = await savePool(db, {
        ...key,
        id: newPoolId(),
        minReady: pool?.minReady ?? 0,
        maxReady: Math.max(pool?.minReady ?? 0, pool?.maxReady ?? 0),
        demandWindowMs: pool?.demandWindow ? durationMs(pool.demandWindow) : defaultWindowMs,
      });
      const [level] = await poolLevels(db, new Date(clock.now()), id);
      return level ? { status: statusOf(level) } : {};
    },

    async listPools() {
      const levels = await poolLevels(db, new Date(clock.now()));
      return { pools: levels.map(statusOf) };
    },

    async deletePool(request) {
      const key = keyOf(request);
      if (await deletePool(db, key)) return {};
      throw problem("RESOURCE_NOT_FOUND", `There is no pool of ${key.template} of this size.`, {
        nextStep: "List the pools to see which there are.",
      });
    },
  };

  async function demandTemplate(name: string): Promise<void> {
    const hosts = await readyHosts(db);
    if (hosts.some(({ templates }) => templates.some((template) => template.name === name))) return;
    throw problem("TEMPLATE_NOT_FOUND", `No host has a template ${name}.`, { metadata: { template: name } });
  }
}

/** With the defaults of a create. */
function keyOf(pool: { readonly template: string; readonly resources?: Resources | undefined } | undefined): PoolKey {
  return {
    template: pool?.template || "base",
    vcpus: pool?.resources?.vcpus || 1,
    memoryMib: pool?.resources?.memoryMib || 512,
    diskMib: pool?.resources?.diskMib ?? 0,
  };
}

function statusOf({ pool, demand, ready, filling, hits, misses }: PoolLevel) {
  const policy = { minReady: pool.min_ready, maxReady: pool.max_ready };
  return {
    pool: {
      template: pool.template,
      resources: { vcpus: pool.vcpus, memoryMib: pool.memory_mib, diskMib: pool.disk_mib },
      ...policy,
      demandWindow: durationFromMs(Number(pool.demand_window_ms)),
    },
    wanted: wantedReady(policy, demand),
    ready,
    filling,
    hits: BigInt(hits),
    misses: BigInt(misses),
  };
}
