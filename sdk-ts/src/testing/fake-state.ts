/** What the fake services share: sandboxes, faults, what was called. */
import type { Duplex } from "node:stream";
import { Code, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Event } from "@daytonah/gen/daytonah/v1/event_pb.ts";
import type { FileChange } from "@daytonah/gen/daytonah/v1/file_pb.ts";
import type { LogEntry } from "@daytonah/gen/daytonah/v1/monitoring_pb.ts";
import type { Sandbox } from "@daytonah/gen/daytonah/v1/sandbox_pb.ts";
import type { Snapshot } from "@daytonah/gen/daytonah/v1/snapshot_pb.ts";
import { fakeError } from "./fake-error.ts";
import { FaultPlan } from "./fake-faults.ts";
import { FakeLog } from "./fake-log.ts";
import type { FakeProcess } from "./fake-process.ts";

/** True at a host's edge. */
export const edgeKey = createContextKey(false);

export interface FakeFile {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly mode: number;
  readonly changed: number;
  readonly isDirectory?: boolean;
  readonly owner?: string;
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
}

export interface FakeSandbox {
  readonly id: string;
  readonly info: Sandbox;
  accessToken: string;
  env: Record<string, string>;
  readonly processes: Map<string, FakeProcess>;
  readonly files: Map<string, FakeFile>;
  readonly uploads: Map<string, Uint8Array>;
  /** Every change to its files, with absolute paths. */
  readonly changes: FakeLog<Pick<FileChange, "kind" | "path">>;
  /** Watches that are polled: where each began. */
  readonly watches: Map<string, { readonly directory: string; readonly start: number }>;
  /** What listens on its ports. */
  readonly servers: Map<number, (socket: Duplex) => void>;
  /** Grows with each change to `servers`. */
  readonly serverChanges: FakeLog<null>;
  readonly logs: FakeLog<LogEntry>;
}

export function newFakeSandbox(info: Sandbox, env: Record<string, string>): FakeSandbox {
  return {
    id: info.id,
    info,
    accessToken: `token-${info.id}`,
    env,
    processes: new Map(),
    files: new Map(),
    uploads: new Map(),
    changes: new FakeLog(),
    watches: new Map(),
    servers: new Map(),
    serverChanges: new FakeLog(),
    logs: new FakeLog(),
  };
}

export interface FakeCall {
  readonly method: string;
  readonly credential: string;
  /** It came to the host's edge. */
  readonly isDirect: boolean;
}

export class FakeState {
  /** The one API key. */
  readonly apiKey = `dnah_${"f".repeat(40)}`;
  /** What sandboxes say about their host's edge. */
  directUrl = "";
  readonly sandboxes = new Map<string, FakeSandbox>();
  /** The cursor is the index of the next one. */
  readonly events = new FakeLog<Event>();
  /** Deleted ones that can come back. */
  readonly tombstones = new Map<string, FakeSandbox>();
  readonly snapshots = new Map<string, Snapshot>();
  /** How many sandboxes there can be. */
  room = 100;
  readonly faults = new FaultPlan();
  /** Every call that came, with its credential. */
  readonly calls: FakeCall[] = [];
  /** Every piece that was written. */
  readonly writes: { size: number; offset?: number; last?: boolean }[] = [];

  /** How often a method was called. */
  count(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  sandbox(id: string): FakeSandbox {
    const sandbox = this.sandboxes.get(id);
    if (sandbox) return sandbox;
    throw fakeError(Code.NotFound, "SANDBOX_NOT_FOUND", `There is no sandbox ${id} in your organization.`, {
      nextStep: "List your sandboxes to see which there are.",
      metadata: { sandbox_id: id },
    });
  }

  /** Lets a call pass that has the API key. */
  controlPlane(context: HandlerContext): void {
    const { requestHeader, values, method } = context;
    const credential = this.#credential(method.name, requestHeader.get("authorization"), values.get(edgeKey));
    if (credential !== this.apiKey) throw unknownCredential();
  }

  /** The sandbox that a call names, for the sandbox's own token and, but at an edge, for the API key. */
  dataPlane(context: HandlerContext): FakeSandbox {
    const { requestHeader, values, method } = context;
    const id = requestHeader.get("sandbox-id") ?? "";
    return this.admit(method.name, id, requestHeader.get("authorization"), values.get(edgeKey));
  }

  /** The sandbox of a call to the control plane that its own token may make, too. */
  linked(context: HandlerContext, id: string): FakeSandbox {
    return this.admit(context.method.name, id, context.requestHeader.get("authorization"), false);
  }

  /** The same for a call by plain HTTP. */
  admit(method: string, id: string, authorization: string | null | undefined, isDirect: boolean): FakeSandbox {
    const credential = this.#credential(method, authorization, isDirect);
    const isKey = credential === this.apiKey && !isDirect;
    if (!isKey && credential !== this.sandboxes.get(id)?.accessToken) throw unknownCredential();
    return this.sandbox(id);
  }

  #credential(method: string, authorization: string | null | undefined, isDirect: boolean): string {
    const credential = authorization?.replace(/^Bearer /, "") ?? "";
    this.calls.push({ method, credential, isDirect });
    if (credential) return credential;
    throw fakeError(Code.Unauthenticated, "CREDENTIAL_MISSING", "No credential came.", {
      nextStep: "Send the header `Authorization: Bearer <API key>`.",
    });
  }
}

function unknownCredential() {
  return fakeError(Code.Unauthenticated, "CREDENTIAL_INVALID", "The credential is not known.", {
    nextStep: "Check the key, or make a new one: `dnah keys create`, or CreateApiKey.",
  });
}

/** One page of a list; the token is the index of the next item. */
export function page<T>(all: readonly T[], request: { pageSize: number; pageToken: string }) {
  const start = Number(request.pageToken || 0);
  const end = start + (request.pageSize || 100);
  return { items: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}
