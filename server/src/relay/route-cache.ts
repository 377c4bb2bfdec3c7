/**
 * Remembers who may reach which running sandbox, so that an exec costs no query. Only good answers are kept, for a
 * second at most; what this server itself changes is forgotten at once. What another server deletes meanwhile, the host
 * refuses.
 */
import type { Target } from "./find-target.ts";

export interface RouteCache {
  /** The remembered answer, or what `find` finds; a problem it throws is not remembered. */
  get(credential: string, sandboxId: string, find: () => Promise<Target>): Target | Promise<Target>;
  /** A sandbox has moved on. */
  forget(sandboxId: string): void;
  /** A key was revoked. */
  forgetAll(): void;
}

const keepMs = 1_000;
const maxEntries = 10_000;

interface Entry {
  readonly target: Target;
  readonly until: number;
}

export function createRouteCache(now: () => number): RouteCache {
  const sandboxes = new Map<string, Map<string, Entry>>();
  // A search that began before a change must not be remembered after it.
  let changes = 0;
  let size = 0;

  const forgetAll = () => {
    changes += 1;
    sandboxes.clear();
    size = 0;
  };
  const remember = (credential: string, sandboxId: string, target: Target) => {
    if (size >= maxEntries) forgetAll();
    const entries = sandboxes.get(sandboxId) ?? new Map<string, Entry>();
    if (!entries.has(credential)) size += 1;
    entries.set(credential, { target, until: now() + keepMs });
    sandboxes.set(sandboxId, entries);
  };

  return {
    get(credential, sandboxId, find) {
      const entry = sandboxes.get(sandboxId)?.get(credential);
      if (entry && entry.until > now()) return entry.target;
      const before = changes;
      return find().then((target) => {
        if (before === changes) remember(credential, sandboxId, target);
        return target;
      });
    },
    forget(sandboxId) {
      changes += 1;
      size -= sandboxes.get(sandboxId)?.size ?? 0;
      sandboxes.delete(sandboxId);
    },
    forgetAll,
  };
}
