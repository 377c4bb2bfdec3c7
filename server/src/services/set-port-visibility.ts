/** Opens a port's address to everyone, or closes it again. */
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { setPublicPorts } from "../db/access.ts";
import type { SandboxRow } from "../db/sandboxes.ts";
import { type AccessChange, changeAccess } from "./change-access.ts";
import type { ServiceDeps } from "./deps.ts";

export interface SetPortVisibilityInput {
  readonly orgId: string;
  readonly sandboxId: string;
  readonly port: number;
  readonly public: boolean;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

const mostPublicPorts = 100;

export async function setPortVisibility(
  deps: ServiceDeps,
  input: SetPortVisibilityInput,
  signal: AbortSignal,
): Promise<SandboxRow> {
  const { port, public: open, ...call } = input;
  const change: AccessChange = {
    ...call,
    rpc: "SetPortVisibility",
    request: { port, open },
    resultOf: ({ id }) => id,
    apply: async (tx, before) => {
      const others = before.public_ports.filter((other) => other !== port);
      if (open === others.length < before.public_ports.length) return before; // it is so already
      if (open && others.length >= mostPublicPorts) {
        throw fieldProblem("port", `the sandbox has ${mostPublicPorts} public ports, and can't have more.`);
      }
      return setPublicPorts(tx, before.id, open ? [...others, port].sort((a, b) => a - b) : others);
    },
  };
  const { row } = await changeAccess(deps, change, signal);
  return row;
}
