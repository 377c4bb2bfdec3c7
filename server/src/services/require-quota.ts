/** Holds an organization to what its operator allows it. */
import { type Problem, problem } from "@daytonah/lib/problem.ts";
import { type Excess, exceededQuota, type More, type Quota } from "../db/quotas.ts";
import type { DbOrTx } from "../db/schema.ts";

/** Throws QUOTA_EXCEEDED where so much more is too much. Until the transaction ends nobody else takes what is left. */
export async function requireQuota(tx: DbOrTx, orgId: string, more: Partial<More>): Promise<void> {
  const asked = { sandboxes: 0, vcpus: 0, memoryMib: 0, ...more };
  const excess = await exceededQuota(tx, orgId, asked);
  if (excess) throw quotaExceeded(excess);
}

const words: Record<Quota, readonly [what: string, wayOut: string]> = {
  sandboxes: ["sandboxes, paused ones too", "Delete sandboxes that you no longer need"],
  vcpus: ["vCPUs of running sandboxes", "Pause or delete sandboxes, ask for fewer vCPUs"],
  memory_mib: ["MiB of memory of running sandboxes", "Pause or delete sandboxes, ask for less memory"],
};

function quotaExceeded({ quota, used, limit }: Excess): Problem {
  const [what, wayOut] = words[quota];
  return problem("QUOTA_EXCEEDED", `Your organization may have ${limit} ${what}; ${used} are in use.`, {
    nextStep: `${wayOut}, or ask the operator for more.`,
    metadata: { quota, used: String(used), limit: String(limit) },
  });
}
