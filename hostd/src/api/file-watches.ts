/**
 * Watches that clients ask for their changes from time to time. They live in this daemon's memory: a watch ends with its
 * sandbox, with the daemon, or when nobody asked for ten minutes; its client then makes another and lists the directory.
 */
import { randomUUID } from "node:crypto";
import { type FileChange, FileChangeKind } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import { fieldProblem, problem } from "@daytonah/lib/problem.ts";
import { type WatchFiles, watchFiles } from "../guest/watch-files.ts";
import type { VmEntry } from "../vm/vm-entry.ts";
import { overflow, toFileChange } from "./file-convert.ts";
import { type SandboxCall, withMeaning } from "./sandbox-call.ts";

const maxWatches = 64;
const maxUnread = 10_000;
/** Of all watches of a VM together. */
const maxUnreadBytes = 8 * 1024 * 1024;
const maxAnswer = 1_000;
const idleMs = 600_000;

interface Watch {
  readonly stop: AbortController;
  readonly changes: FileChange[];
  /** Cursor of the first of them. */
  first: bigint;
  bytes: number;
  lastAsked: number;
}

export class FileWatches {
  readonly #ofSandbox = new WeakMap<VmEntry, Map<string, Watch>>();

  /** Resolves with the new watch's id, when it is set. */
  async open(call: SandboxCall, request: WatchFiles): Promise<string> {
    const watches = this.#watchesOf(call.entry);
    if (watches.size >= maxWatches) {
      throw problem("GUEST_LIMIT_EXCEEDED", `The sandbox has ${maxWatches} watches already.`, {
        nextStep: "Delete a watch that you no longer read, or use WatchFiles.",
      });
    }
    const id = randomUUID().replaceAll("-", "");
    const watch: Watch = {
      ...{ stop: new AbortController(), changes: [], first: 0n, bytes: 0 },
      lastAsked: performance.now(),
    };
    watches.set(id, watch);
    const { signal } = watch.stop;
    const options = { signal, requestId: call.requestId, onBreak: async () => signal.throwIfAborted() };
    const changes = watchFiles(call.agent, request, options);
    const cancel = () => watch.stop.abort(call.signal.reason);
    call.signal.addEventListener("abort", cancel, { once: true });
    try {
      await withMeaning(call.sandboxId, call.explain, () => changes.next()); // READY
    } catch (error) {
      watches.delete(id);
      throw error;
    } finally {
      call.signal.removeEventListener("abort", cancel);
    }
    void follow(changes, watches, id, watch);
    return id;
  }

  /** Forgets the changes before the cursor, and answers with those from it on. */
  read(call: SandboxCall, id: string, cursor: bigint) {
    const watch = this.#watchesOf(call.entry).get(id);
    if (!watch) {
      throw problem("RESOURCE_NOT_FOUND", "There is no such watch, or it is over.", {
        nextStep: "Create another watch, then list the directory.",
        metadata: { watch_id: id },
      });
    }
    const next = watch.first + BigInt(watch.changes.length);
    if (cursor > next) throw fieldProblem("cursor", `the watch has told no more than ${next}`);
    watch.lastAsked = performance.now();
    if (cursor > watch.first) {
      const read = watch.changes.splice(0, Number(cursor - watch.first));
      watch.bytes -= read.reduce((sum, change) => sum + sizeOf(change), 0);
      watch.first = cursor;
    }
    const changes = watch.changes.slice(0, maxAnswer);
    return { changes, nextCursor: watch.first + BigInt(changes.length) };
  }

  end(call: SandboxCall, id: string): void {
    this.#watchesOf(call.entry).get(id)?.stop.abort(new Error("the watch was deleted"));
    this.#watchesOf(call.entry).delete(id);
  }

  #watchesOf(entry: VmEntry): Map<string, Watch> {
    const watches = this.#ofSandbox.get(entry) ?? new Map<string, Watch>();
    this.#ofSandbox.set(entry, watches);
    return watches;
  }
}

/** Keeps what comes, until the watch is over. */
async function follow(
  changes: ReturnType<typeof watchFiles>,
  watches: Map<string, Watch>,
  id: string,
  watch: Watch,
): Promise<void> {
  const timer = setInterval(() => {
    if (performance.now() - watch.lastAsked > idleMs) watch.stop.abort(new Error("nobody asked"));
  }, idleMs / 10).unref();
  try {
    for await (const change of changes) if (change) keep(watches, watch, toFileChange(change));
  } catch {
    // Whatever ended it: a reader is told that it is over, and how to go on.
  } finally {
    clearInterval(timer);
    watches.delete(id);
  }
}

function keep(watches: Map<string, Watch>, watch: Watch, change: FileChange): void {
  const last = watch.changes.at(-1);
  if (last?.kind === FileChangeKind.OVERFLOW && change.kind === FileChangeKind.OVERFLOW) return;
  watch.changes.push(change);
  watch.bytes += sizeOf(change);
  const all = [...watches.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (watch.changes.length <= maxUnread && all <= maxUnreadBytes) return;
  watch.first += BigInt(watch.changes.length);
  watch.changes.length = 0;
  watch.changes.push(overflow);
  watch.bytes = sizeOf(overflow);
}

/** About what it takes of memory. */
function sizeOf({ path, info }: FileChange): number {
  const xattrs = Object.entries(info?.xattrs ?? {}).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return 100 + path.length + (info ? 300 + info.path.length + info.name.length + xattrs : 0);
}
