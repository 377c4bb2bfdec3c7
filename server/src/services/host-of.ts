/** The host that a sandbox is on. */
import { problem } from "@daytonah/lib/problem.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { ServiceDeps } from "./deps.ts";

export function hostOf({ hosts }: Pick<ServiceDeps, "hosts">, row: Pick<SandboxRow, "id" | "host_id">): HostClient {
  const host = row.host_id === null ? undefined : hosts.get(row.host_id);
  if (host) return host;
  throw problem("HOST_UNAVAILABLE", `The host ${row.host_id} of sandbox ${row.id} is not known here.`, {
    metadata: { sandbox_id: row.id, host_id: row.host_id ?? "" },
    retryDelayMs: 10_000,
  });
}
