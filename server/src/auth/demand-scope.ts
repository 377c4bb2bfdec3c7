/** Holds a caller to its scopes. */
import { problem } from "@daytonah/lib/problem.ts";
import type { Scope } from "../domain/scope.ts";

export function demandScope(caller: { readonly scopes: readonly Scope[] }, scope: Scope): void {
  if (caller.scopes.includes(scope)) return;
  throw problem("SCOPE_MISSING", `This API key lacks the scope ${scope}.`, {
    metadata: { scope },
    nextStep: `Use a key with the scope ${scope}: \`dnah keys create <name> -s ${scope}\`, or CreateApiKey, makes one.`,
  });
}
