/** Keeps a sandbox's memory and disk under a name that create takes: a snapshot that the template stands on. */
import { abortable } from "@daytonah/lib/deadline.ts";
import { fieldProblem } from "@daytonah/lib/problem.ts";
import { readyHosts } from "../db/hosts.ts";
import { beginOrAwait } from "./begin-or-await.ts";
import type { CallerOptions } from "./create-sandbox.ts";
import type { ServiceDeps } from "./deps.ts";
import { type TakenSnapshot, takeSnapshot } from "./take-snapshot.ts";

export interface CreateTemplateInput {
  readonly orgId: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly description: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
}

/** Where the client goes away it goes on: list shows it. */
export async function createTemplate(
  deps: ServiceDeps,
  input: CreateTemplateInput,
  { signal, requestId }: CallerOptions,
): Promise<TakenSnapshot> {
  const { name, description } = input;
  const hosts = await readyHosts(deps.db);
  if (hosts.some(({ templates }) => templates.some((template) => template.name === name))) {
    throw fieldProblem("name", "is a template of the platform.", "Choose another name.");
  }
  const template = { name, description };
  const call = { ...input, rpc: "CreateTemplate", request: template, metadata: {}, internal: false, template };
  const begun = await beginOrAwait(deps, call, signal);
  if (begun.t === "there") return { row: begun.row, stages: [] };
  return abortable(deps.background.run(takeSnapshot(deps, begun.snapshot, requestId)), signal);
}
